import EvidenceModel
import StationTesting
import Synchronization
import Testing

@testable import SyncEngine

@Suite("tus protocol")
struct TusProtocolTests {
    @Test func whatAServerOffers() throws {
        func features(_ headers: [String: String]) -> TusFeatures? {
            TusFeatures(HTTPResponse(status: 204, headers: headers))
        }
        #expect(features([:]) == nil)
        #expect(features(["tus-version": "0.2.2"]) == nil)
        #expect(features(["tus-version": "0.2.2, 1.0.0"]) == TusFeatures(extensions: []))
        let all = [
            "tus-version": "1.0.0", "tus-extension": "creation, checksum,termination", "tus-max-size": "1073741824",
            "tus-checksum-algorithm": "md5,sha1,sha256",
        ]
        let wanted = TusFeatures(
            extensions: ["creation", "checksum", "termination"], mostBytes: 1 << 30, checksum: .sha256)
        #expect(features(all) == wanted)
        #expect(features(all.merging(["tus-checksum-algorithm": "md5, sha1"]) { $1 })?.checksum == .sha1)
        #expect(features(all.merging(["tus-checksum-algorithm": "md5"]) { $1 })?.checksum == nil)
        #expect(features(all.merging(["tus-extension": "creation"]) { $1 })?.checksum == nil)
        #expect(features(all.merging(["tus-max-size": "0"]) { $1 })?.mostBytes == nil)
    }

    /// The values of the protocol's own examples.
    @Test func headers() {
        let pairs = [(key: "filename", value: "world_domination_plan.pdf"), (key: "k", value: "宝鸡")]
        let header = TusProtocol.metadata(pairs)
        #expect(header == "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,k 5a6d6bih")
        #expect(TusProtocol.metadata(header) == ["filename": "world_domination_plan.pdf", "k": "宝鸡"])
        #expect(TusProtocol.metadata("is_confidential,filename !,x eA==") == ["x": "x"])
        let bytes = PartBytes("hello world".utf8)
        #expect(TusChecksum.sha1.header(bytes, digest: nil) == "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
        #expect(
            TusChecksum.sha256.header(bytes, digest: nil) == "sha256 uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=")
    }

    @Test(
        arguments: [
            ("/files/a", "https://hub.example/files/a"), ("a", "https://hub.example/files/a"),
            ("https://hub.example/files/a", "https://hub.example/files/a"),
            ("https://other.example/x", "https://other.example/x"), ("//other.example/x", "https://other.example/x"),
            ("http://hub.example/files/a", nil), ("ftp://hub.example/a", nil), ("", nil),
        ] as [(String, String?)])
    func locations(_ location: String, _ url: String?) {
        #expect(TusProtocol.resolve(location, asked: "https://hub.example/files/") == url)
    }

    @Test func partsAreNamedShortlyWhereTheyAreNear() {
        let parts = ["https://hub.example/files/a", "https://other.example/files/b"]
        #expect(
            TusProtocol.concatenation(parts, asked: "https://hub.example/files/")
                == "final;/files/a https://other.example/files/b")
    }

    private final class Script: HTTPTransport {
        private let asked = Mutex<[HTTPRequest]>([])
        let location: String

        init(location: String) { self.location = location }

        var requests: [HTTPRequest] { asked.withLock(\.self) }

        func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse {
            asked.withLock { $0.append(request) }
            switch request.method {
            case "OPTIONS":
                return HTTPResponse(status: 204, headers: ["tus-version": "1.0.0", "tus-extension": "creation"])
            case "POST": return HTTPResponse(status: 201, headers: ["location": location])
            default: return HTTPResponse(status: 204, headers: ["upload-offset": "10"])
            }
        }
    }

    /// The token is for the server that is configured, and for none that it names.
    @Test(arguments: [("https://hub.example/files/a", true), ("https://other.example/a", false)])
    func theTokenGoesNowhereElse(_ location: String, _ isGiven: Bool) async throws {
        let directory = try TemporaryDirectory()
        let script = Script(location: location)
        let target = TusTarget(
            name: "hub", url: "https://hub.example/files/", tokenFile: try directory.file("token", "abc\n"),
            transport: script)
        let sample = SampleRecording(seed: 1, size: 10)
        #expect(try await target.putWhole(sample.plan(), bytes: PartBytes(sample.bytes)) == location)
        let patch = try #require(script.requests.last)
        #expect(patch.method == "PATCH" && patch.url == location)
        #expect(patch.headers.contains { $0.name == "Authorization" } == isGiven)
    }
}
