import FileAccess

/// What a worker did instead of answering.
enum WorkerFault: Error, Hashable, Sendable {
    /// It had ended before the question reached it.
    case gone
    /// It ended while it had the file, by this signal or with this exit status.
    case died(String)
    /// It did not answer in time.
    case hung
    /// It answered something that must not be believed.
    case garbled(String)
    /// The descriptor could not be sent; the worker is as well as before.
    case notHanded(FileAccessError)

    /// For the facts of the file the worker had.
    var sentence: String {
        switch self {
        case .gone: "The probe ended before it looked into the file."
        case .died(let how):
            "Looking into the file ended the probe (\(how)); the file may be damaged or made to do harm."
        case .hung: "Looking into the file did not come to an end; the file may be damaged or the device may hang."
        case .garbled(let what): "Looking into the file made the probe answer nonsense (\(what))."
        case .notHanded(let error): "The file could not be handed to the probe (\(error))."
        }
    }
}
