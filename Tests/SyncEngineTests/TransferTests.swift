import EvidenceModel
import GRDB
import StationTesting
import Synchronization
import Testing

@testable import SyncEngine

@Suite("Counting what is moved", .timeLimit(.minutes(1)))
struct TransferTests {
    private let board = TransferBoard()
    private let sample = SampleRecording(seed: 1, size: 35, partSize: 10)
    private var upload: JournaledUpload {
        JournaledUpload(plan: sample.plan(), turn: UploadTurn(share: "K1", urgency: .usual), tags: [1: "a"])
    }
    private var id: String { upload.plan.upload }

    private func failure(_ kind: TargetFailure.Kind, _ code: String = "") -> TargetFailure {
        TargetFailure(kind: kind, sentence: "s", code: code)
    }

    @Test func sentAndDurableAreToldApart() {
        let rings = Mutex(0)
        board.listen { rings.withLock { $0 += 1 } }
        board.sent(99, cameToNothing: false, of: id)
        #expect(board.takeNews() == [] && board.take(target: "target") == [:], "nobody's")
        board.began(upload)
        board.sent(7, cameToNothing: true, of: id)
        board.failed(failure(.interrupted), of: id)
        board.sent(10, cameToNothing: false, of: id)
        board.acknowledged(10, of: id)
        board.failed(failure(.throttled(afterSeconds: 3)), of: id)
        board.failed(failure(.serverFault, "SlowDown"), of: id)
        board.failed(failure(.cancelled), of: id)
        let progress = UploadProgress(
            recording: sample.id, target: "target", bytesTotal: 35, bytesDurable: 20, bytesSent: 17)
        #expect(board.takeNews() == [progress] && board.takeNews() == [])
        #expect(rings.withLock { $0 } == 6)
        var count = TransferCount()
        (count.bytesSent, count.bytesDurable, count.bytesResent) = (17, 10, 7)
        count.retries = ["interrupted": 1, "throttled": 1, "SlowDown": 1]
        #expect(board.take(target: "other") == [:])
        #expect(board.take(target: "target") == ["K1": count] && board.take(target: "target") == [:])
        board.ended(id)
        board.acknowledged(10, of: id)
        #expect(board.takeNews() == [])
    }

    @Test func aTargetWithoutRequestsWasGivenWhatItTook() {
        board.began(upload)
        for _ in 0..<3 { board.acknowledged(10, of: id) }
        #expect(board.takeNews().map(\.bytesSent) == [30])
        #expect(board.take(target: "target")["K1"]?.bytesSent == 30)
    }

    @Test func reasonsAreBounded() throws {
        board.began(upload)
        for number in 0..<100 {
            board.failed(failure(.rejected, "\(number)" + String(repeating: "x", count: 100)), of: id)
        }
        let retries = try #require(board.take(target: "target")["K1"]?.retries)
        #expect(retries.count == 17 && retries["other"] == 84 && retries.keys.allSatisfy { $0.utf8.count <= 64 })
        let queue = try DatabaseQueue()
        var migrator = DatabaseMigrator()
        UploadJournal.registerMigrations(in: &migrator)
        try migrator.migrate(queue)
        let journal = UploadJournal()
        try queue.write { database in
            for number in 0..<50 {
                var count = TransferCount()
                (count.bytesSent, count.retries) = (2, ["\(number)": 1])
                count.retries["5", default: 0] += 1
                try journal.add(["K1": count, "K2": TransferCount()], target: "t", in: database)
            }
            let kept = try journal.retries(in: database)["t"] ?? [:]
            #expect(kept.count == 33 && kept["5"] == 51 && kept.values.reduce(0, +) == 100)
            let totals = try journal.transfers(in: database)["t"] ?? [:]
            #expect(
                totals["K1"] == TransferTotals(bytesSent: 100, partsRetried: 100) && totals["K2"] == TransferTotals())
        }
    }

    private struct Answer: HTTPTransport {
        var result: Result<HTTPResponse, TransportFailure>
        func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse { try result.get() }
    }

    @Test(
        arguments: [
            (.success(HTTPResponse(status: 200, sentBytes: 5)), 0),
            (.success(HTTPResponse(status: 503, sentBytes: 5)), 5),
            (.failure(TransportFailure(kind: .interrupted, sentence: "s", sentBytes: 5)), 5),
        ] as [(Result<HTTPResponse, TransportFailure>, Int64)])
    func requestsAreCountedForTheUploadOfTheirTask(
        _ result: Result<HTTPResponse, TransportFailure>, _ resent: Int64
    ) async {
        board.began(upload)
        let transport = MeteredTransport(Answer(result: result))
        let request = HTTPRequest(method: "PUT", url: "http://s3/")
        _ = try? await transport.perform(request)
        await UploadMeter.$current.withValue(UploadMeter(board: board, upload: id)) {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { _ = try? await transport.perform(request) }
            }
        }
        let count = board.take(target: "target")["K1"]
        #expect(count?.bytesSent == 5 && count?.bytesResent == resent)
    }
}
