package dev.dormouse.engine;

import io.avaje.jsonb.Json;

/// What a rehearsal has taught.
///
/// @param ranMillis for how long the guest ran
/// @param workingSetPages the pages that a resume places ahead from now on
/// @param demandedPages pages that are not zero for which the guest asked
/// @param nonZeroPages all of these
/// @param wantedShare the share of them that the guest is taken to want, from 0 to 1: 1 of one that asked on and on
/// @param copiedPages pages of the disks that were copied for the resume
/// @param copiesBytes what the copies take
@Json
public record RehearsalResult(
        String vm,
        long ranMillis,
        long workingSetPages,
        long demandedPages,
        long nonZeroPages,
        double wantedShare,
        long copiedPages,
        long copiesBytes) {}
