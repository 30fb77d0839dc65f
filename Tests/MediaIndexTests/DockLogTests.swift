import EvidenceModel
import GRDB
import MediaIndex
import StationTesting
import Testing

/// The history of dockings.
@Suite struct DockLogTests {
    private let station: StationDatabase
    private let log = DockLog()
    private var random = SeededRandom(seed: 77)

    init() throws {
        station = try StationDatabase()
    }

    private static func time(_ seconds: Double) -> WallTime {
        WallTime(millisecondsSince1970: 1_795_000_000_000).adding(seconds: seconds)
    }

    private func begin(_ root: String = "/media/a", system: String = "f", at seconds: Double) throws -> Dock {
        var dock = Dock(
            source: "docks", root: RawPath(root), fileSystem: system, state: .reading, dockedAt: Self.time(seconds))
        (dock.bay, dock.label, dock.fileSystemType) = ("Bay 4", "CAM01", "vfat")
        dock.usb = USBIdentity(vendorID: "1234", productID: "abcd", serial: "“7”", port: "1-1.4")
        let (log, begun) = (log, dock)
        dock.id = try station.queue.write { try log.begin(begun, in: $0) }
        return dock
    }

    private func save(_ dock: Dock) throws {
        let log = log
        try station.queue.write { try log.save(dock, in: $0) }
    }

    private func shown(endedAfter seconds: Double = 0) throws -> [Dock] {
        try station.queue.read { try log.docks(endedAfter: Self.time(seconds), in: $0) }
    }

    private mutating func find(_ dock: Dock, isNew: Bool, state: RecordingState = .verified) throws -> Recording {
        var recording = random.recording()
        recording.state = state
        try station.insert(recording)
        let (log, id) = (log, recording.id)
        try station.queue.write {
            try log.add(id, path: RawPath(id.text), docking: dock.id, isNew: isNew, in: $0)
        }
        return recording
    }

    @Test mutating func everythingOfADockingComesBack() throws {
        var dock = try begin(at: 0)
        (dock.device, dock.officer, dock.state) = ("K0001", "061234", .attention)
        (dock.reason, dock.filesTotal, dock.filesCollected, dock.filesDamaged, dock.filesWiped) = ("r", 9, 7, 1, 3)
        (dock.bytesTotal, dock.bytesCollected, dock.bytesPerSecond) = (90, 70, 1.5)
        dock.clockOffset = ClockOffset(seconds: 312.5, method: .newestFile)
        try save(dock)
        let recordings = [try find(dock, isNew: true), try find(dock, isNew: false)]
        _ = try find(dock, isNew: true, state: .uploading)
        (dock.filesVerified, dock.filesNew) = (2, 2)
        dock.bytesVerified = recordings.reduce(0) { $0 + $1.content.size }
        #expect(try shown() == [dock])
        #expect(try station.queue.read { try log.clockOffset(of: dock.id, in: $0) } == dock.clockOffset)
    }

    @Test mutating func aContentThatIsTwiceOnACardCountsTwice() throws {
        let dock = try begin(at: 0)
        let (verified, waiting) = (try find(dock, isNew: true), random.recording())
        try station.insert(waiting)
        let log = log
        try station.queue.write { database in
            let copies = [("copy", verified.id), ("b", waiting.id), (verified.id.text, verified.id)]
            for (path, id) in copies {
                try log.add(id, path: RawPath(path), docking: dock.id, isNew: false, in: database)
            }
        }
        #expect(try shown().map(\.filesVerified) == [2] && shown().map(\.filesNew) == [1])
        #expect(try shown().map(\.bytesVerified) == [2 * verified.content.size])
    }

    @Test mutating func whoComesNextIsAnotherDocking() throws {
        var first = try begin(at: 0)
        first.clockOffset = ClockOffset(seconds: 1, method: .timeFile)
        try save(first)
        let new = try find(first, isNew: true)
        _ = try find(first, isNew: false)
        let second = try begin(at: 10)
        #expect(second.id > first.id)
        #expect(try shown().map(\.id) == [second.id], "the last one stands for its root")
        #expect(try station.queue.read { try log.clockOffset(of: second.id, in: $0) } == nil)
        // A last word about the first, that came late, does not touch the second.
        (first.state, first.undockedAt, first.ended) = (.undocked, Self.time(11), .early)
        first.reason = "hung"
        try save(first)
        #expect(try shown().map(\.state) == [.reading])
        let catalogue = station.catalogue
        try station.queue.read { database in
            let history = try log.dockings(ofDevice: nil, limit: 5, in: database)
            #expect(history.map(\.id) == [second.id, first.id] && history.map(\.filesNew) == [0, 1])
            #expect(history[1].ended == .early && history[1].reason == "hung")
            // What the first brought is known, what it only found again is not.
            #expect(try catalogue.uncorrected(broughtBy: first.id, in: database).map(\.id) == [new.id])
        }
    }

    @Test mutating func aFileFoundAgainStaysNewAndAnotherContentIsNot() throws {
        let dock = try begin(at: 0)
        let (first, second) = (try find(dock, isNew: true), try find(dock, isNew: false))
        let (log, path) = (log, RawPath(first.id.text))
        try station.queue.write { try log.add(first.id, path: path, docking: dock.id, isNew: false, in: $0) }
        #expect(try station.queue.read { try station.catalogue.uncorrected(broughtBy: dock.id, in: $0) }.count == 1)
        try station.queue.write { try log.add(second.id, path: path, docking: dock.id, isNew: false, in: $0) }
        #expect(try station.queue.read { try station.catalogue.uncorrected(broughtBy: dock.id, in: $0) }.isEmpty)
    }

    @Test func whatEndedWellIsShownForAWhile() throws {
        for (root, reason) in [("/media/a", nil), ("/media/b", "undocked too early")] {
            var dock = try begin(root, at: 0)
            (dock.state, dock.undockedAt, dock.ended, dock.reason) = (.undocked, Self.time(60), .complete, reason)
            try save(dock)
        }
        #expect(try shown(endedAfter: 59).count == 2)
        #expect(try shown(endedAfter: 61).map(\.root.display) == ["/media/b"])
    }

    @Test func dockingsThatNobodySawEndAreUnwatched() throws {
        var dock = try begin(at: 0)
        (dock.filesTotal, dock.filesCollected) = (2, 1)
        try save(dock)
        let log = log
        try station.queue.write { try log.endAllDockings(at: Self.time(5), in: $0) }
        let ended = try #require(try shown().first)
        #expect(ended.ended == .unwatched && ended.state == .undocked && ended.undockedAt == Self.time(5))
        #expect(ended.reason?.contains("dock it again") == true)
    }

    @Test func aDeviceHasAHistoryOfItsOwn() throws {
        for index in 0..<4 {
            var dock = try begin("/media/\(index)", at: Double(index))
            dock.device = index.isMultiple(of: 2) ? "K0001" : "K0002"
            try save(dock)
        }
        let history = try station.queue.read { try log.dockings(ofDevice: "K0001", limit: 1, in: $0) }
        #expect(history.map(\.root.display) == ["/media/2"])
    }
}
