package dev.dormouse.disk;

/// What one layer of a chain provides by itself: what it leaves to the layers below reads as zeros. Any
/// thread.
public interface LayerView extends DiskView {
    /// {@return the parts of the disk that this layer holds and that are not known to be zero, ascending}
    DataExtents dataExtents();

    /// {@return whether it is known without a read that these blocks are zeros, or not in this layer}
    boolean isZero(long block, long blocks);

    /// Walks over the data of a layer, in bytes of what the guest sees; neighbours are merged, whatever
    /// their places in the file. One thread.
    interface DataExtents {
        /// Goes to the next extent, at first to the first one.
        ///
        /// @return whether there is one
        boolean next();

        long startBytes();

        long lengthBytes();
    }
}
