import FileAccess

extension JournalEntry {
    /// Where a process may die about this entry.
    var crashPoint: CrashPoint {
        switch self {
        case .creating: .journalCreating
        case .opened: .journalOpened
        case .acknowledged: .journalAcknowledged
        case .forgotten: .journalForgotten
        case .sealed: .journalSealed
        case .completed: .journalCompleted
        case .verified: .journalVerified
        case .lost: .journalLost
        case .parked: .journalParked
        }
    }
}

extension UploadMachine.Step {
    /// Where a process may die about this request.
    var crashPoint: CrashPoint {
        switch self {
        case .putWhole: .stepPutWhole
        case .create: .stepCreate
        case .find: .stepFind
        case .list: .stepList
        case .send: .stepSend
        case .compare: .stepCompare
        case .complete: .stepComplete
        case .inspect: .stepInspect
        case .abort: .stepAbort
        }
    }
}
