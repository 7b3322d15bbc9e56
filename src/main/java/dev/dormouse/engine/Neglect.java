package dev.dormouse.engine;

/// What nobody does any more for a VM whose guest may wait for it.
public enum Neglect {
    NONE,
    /// A capture, or a merge for one, was cut off: the guest may stand still, and [Engine#settleCutOff] lets it go on.
    CUT_OFF,
    /// A guest that was restored waits for pages, which nobody serves: [Engine#resume] carries on. So it is for a
    /// moment, too, when a page server has died and another one is being started in its place.
    ORPHANED
}
