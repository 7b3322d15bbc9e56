package dev.dormouse.catalog;

import io.avaje.jsonb.Json;

/// The VMs of the host at one moment.
///
/// @param time ISO 8601
/// @param vms how many there are
/// @param awakeVms how many of them have their memory on the host
/// @param awakeBytes memory of those
/// @param givenBackBytes memory of those that are suspended
/// @param imageBytes size of the images that hold it
@Json
public record HostSample(String time, int vms, int awakeVms, long awakeBytes, long givenBackBytes, long imageBytes) {}
