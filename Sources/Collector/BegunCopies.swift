import EvidenceModel
import Synchronization

/// The copies with a journal, by what they are of: a spool may hold a hundred thousand files, which are not listed anew
/// for each one that is collected. Only this process makes and ends copies, so its memory is the truth once it was filled.
final class BegunCopies: Sendable {
    private let origins = Mutex<[RecordingID: CopyOrigin]?>(nil)

    /// Those of which `matches` holds.
    ///
    /// - Parameter list: what lies in the spool; asked once.
    func ids(
        where matches: (CopyOrigin) -> Bool, listing list: () -> [RecordingID: CopyOrigin]
    ) -> [RecordingID] {
        origins.withLock { origins in
            let known = origins ?? list()
            origins = known
            return known.filter { matches($0.value) }.keys.sorted()
        }
    }

    func began(_ id: RecordingID, of origin: CopyOrigin) {
        origins.withLock { $0?[id] = origin }
    }

    func ended(_ id: RecordingID) {
        origins.withLock { _ = $0?.removeValue(forKey: id) }
    }
}
