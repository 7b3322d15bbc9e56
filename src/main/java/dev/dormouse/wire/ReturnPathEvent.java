package dev.dormouse.wire;

/// What [ReturnPathReader] delivers: the messages that stand for themselves, and [PageRequest] for both
/// kinds of request.
public sealed interface ReturnPathEvent
        permits PageRequest,
                ReturnPathMessage.Shut,
                ReturnPathMessage.Pong,
                ReturnPathMessage.RecvBitmap,
                ReturnPathMessage.ResumeAck,
                ReturnPathMessage.SwitchoverAck {}
