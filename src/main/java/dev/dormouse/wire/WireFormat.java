package dev.dormouse.wire;

/// Numbers of the migration protocol, named as in QEMU's source (`migration/savevm.h`, `savevm.c`,
/// `ram.c`, `migration.c`), and the limits that this package sets itself.
final class WireFormat {
    static final int MAGIC = 0x5145_564d; // "QEVM"
    static final int VERSION = 3;

    static final int SECTION_EOF = 0x00;
    static final int SECTION_START = 0x01;
    static final int SECTION_PART = 0x02;
    static final int SECTION_END = 0x03;
    static final int SECTION_FULL = 0x04;
    static final int SECTION_SUBSECTION = 0x05;
    static final int SECTION_VMDESC = 0x06;
    static final int SECTION_CONFIGURATION = 0x07;
    static final int SECTION_COMMAND = 0x08;
    static final int SECTION_FOOTER = 0x7e;

    static final int CMD_OPEN_RETURN_PATH = 1;
    static final int CMD_PING = 2;
    static final int CMD_POSTCOPY_ADVISE = 3;
    static final int CMD_POSTCOPY_LISTEN = 4;
    static final int CMD_POSTCOPY_RUN = 5;
    static final int CMD_POSTCOPY_RAM_DISCARD = 6;
    static final int CMD_PACKAGED = 7;
    static final int CMD_ENABLE_COLO = 8;
    static final int CMD_POSTCOPY_RESUME = 9;
    static final int CMD_RECV_BITMAP = 10;
    static final int CMD_SWITCHOVER_START = 11;

    static final int RP_SHUT = 1;
    static final int RP_PONG = 2;
    static final int RP_REQ_PAGES_ID = 3;
    static final int RP_REQ_PAGES = 4;
    static final int RP_RECV_BITMAP = 5;
    static final int RP_RESUME_ACK = 6;
    static final int RP_SWITCHOVER_ACK = 7;
    static final long RECV_BITMAP_END = 0x0123_4567_89ab_cdefL;

    static final int RAM_ZERO = 0x02;
    static final int RAM_MEM_SIZE = 0x04;
    static final int RAM_PAGE = 0x08;
    static final int RAM_EOS = 0x10;
    static final int RAM_CONTINUE = 0x20;
    static final int RAM_XBZRLE = 0x40;
    static final int RAM_HOOK = 0x80;
    static final int RAM_COMPRESS_PAGE = 0x100;
    static final int RAM_MULTIFD_FLUSH = 0x200;
    static final int RAM_FLAG_MASK = 0xfff;
    static final String RAM_SECTION = "ram";
    static final int RAM_VERSION = 4;

    static final int STR8_BYTES_MAX = 255;
    static final int COMMAND_BYTES_MAX = 0xffff;
    static final int COMMAND_HEADER_BYTES = 5;

    /// QEMU's own limit when it sends (`MAX_DISCARDS_PER_COMMAND`).
    static final int DISCARD_RANGES_SENT_MAX = 12;

    // Limits of ours, far above what QEMU produces.
    static final int MACHINE_NAME_BYTES_MAX = 255;
    static final int CAPABILITIES_MAX = 64;
    static final int RAM_BLOCKS_MAX = 4096;
    static final long RAM_BYTES_MAX = 1L << 48;

    private WireFormat() {}
}
