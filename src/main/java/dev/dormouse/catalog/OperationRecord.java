package dev.dormouse.catalog;

import org.jspecify.annotations.Nullable;

/// An operation of a daemon: as it begins, and as it ended. What is not known is null.
///
/// @param id counts up; 0 before it is in the catalog
/// @param operation its id for clients
/// @param state `queued`, `running`, `succeeded`, `failed` or `cancelled`
/// @param created, started, ended ISO 8601
/// @param guestRunsMillis of a resume: from its start until the guest ran
/// @param responsiveMillisEstimate of a resume: from its start until the guest hardly waited for pages
/// @param done, total bytes captured or restored
/// @param continuedBy the operation of the next daemon that carries on with it
/// @param result, error JSON
public record OperationRecord(
        long id,
        String operation,
        String vm,
        String kind,
        String state,
        String created,
        @Nullable String started,
        @Nullable String ended,
        @Nullable Long guestRunsMillis,
        @Nullable Long responsiveMillisEstimate,
        @Nullable Long done,
        @Nullable Long total,
        @Nullable String continuedBy,
        @Nullable String result,
        @Nullable String error) {}
