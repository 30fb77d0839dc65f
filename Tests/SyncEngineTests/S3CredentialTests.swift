import EvidenceModel
import StationTesting
import Synchronization
import Testing

@testable import SyncEngine

@Suite("Where keys of S3 come from")
struct S3CredentialSourceTests {
    private let plain = S3Credentials(accessKeyID: "id", secretAccessKey: "a/b+c=")

    /// Gives each address its answer, and keeps what was asked.
    private final class Service: HTTPTransport {
        let state = Mutex((answers: [String: HTTPResponse](), asked: [HTTPRequest]()))

        init(_ answers: [String: HTTPResponse]) {
            state.withLock { $0.answers = answers }
        }

        var asked: [HTTPRequest] { state.withLock(\.asked) }

        func perform(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse {
            let answer = state.withLock { state in
                state.asked.append(request)
                return state.answers[request.url]
            }
            guard let answer else { throw TransportFailure(kind: .unreachable, sentence: "no \(request.url)") }
            return answer
        }
    }

    private static let noon = WallTime(millisecondsSince1970: 1_800_000_000_000)

    private static func source(
        _ origin: S3CredentialSource.Origin, _ service: Service = Service([:]),
        now: @escaping @Sendable () -> WallTime = { noon }
    ) -> S3CredentialSource {
        S3CredentialSource(origin, transport: service, now: now)
    }

    private static func keys(_ id: String, goodForSeconds seconds: Double? = nil) -> HTTPResponse {
        let until = seconds.map { ",\"Expiration\":\"\(noon.adding(seconds: $0).rfc3339())\"" } ?? ""
        let text = "{\"AccessKeyId\":\"\(id)\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"\(until)}"
        return HTTPResponse(status: 200, body: Array(text.utf8))
    }

    @Test(arguments: [
        "[default]\naws_access_key_id = id\naws_secret_access_key = a/b+c=\n",
        "[default]\r\naws_access_key_id=id\r\naws_secret_access_key=a/b+c=\r\n",
        "[other]\naws_access_key_id=x\naws_secret_access_key=y\n[ default ]\naws_access_key_id=id\n"
            + "aws_secret_access_key=a/b+c=",
        "[only]\n# aws_access_key_id = no\naws_access_key_id = id\n\n  aws_secret_access_key = a/b+c=  \nregion = r",
        "aws_access_key_id = id\naws_secret_access_key = a/b+c=",
        "[default]\naws_access_key_id = id\naws_secret_access_key = a/b+c=\naws_session_token =\n",
    ])
    func filesThatAreRead(_ text: String) { #expect(S3CredentialSource.parse(text) == plain) }

    @Test(arguments: [
        "", "[default]\n", "[default]\naws_access_key_id = id", "aws_secret_access_key = a", "\u{0}\u{1}",
        "[default]\naws_access_key_id =\naws_secret_access_key =\n",
        "[default]\n[other]\naws_access_key_id = id\naws_secret_access_key = a",
    ])
    func filesWithoutKeys(_ text: String) { #expect(S3CredentialSource.parse(text) == nil) }

    @Test func aTokenIsTaken() {
        let text = "[default]\naws_access_key_id=i\naws_secret_access_key=s\naws_session_token=t=/\n"
        #expect(S3CredentialSource.parse(text)?.sessionToken == "t=/")
    }

    @Test func aFileIsReadAgainOnlyAfterForget() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("keys", "[default]\naws_access_key_id=1\naws_secret_access_key=s\n")
        let source = Self.source(.file(path))
        #expect(try await source.credentials().accessKeyID == "1")
        try directory.file("keys", "[default]\naws_access_key_id=2\naws_secret_access_key=s\n")
        #expect(try await source.credentials().accessKeyID == "1")
        source.forget()
        #expect(try await source.credentials().accessKeyID == "2")
    }

    @Test func aMissingFileIsToldAndReadWhenItCame() async throws {
        let directory = try TemporaryDirectory()
        let source = Self.source(.file(directory.path.appending("keys")))
        let failure = await #expect(throws: TargetFailure.self) { try await source.credentials() }
        #expect(failure?.kind == .denied)
        #expect(failure?.sentence.contains("keys") == true)
        try directory.file("keys", "[default]\naws_access_key_id=1\naws_secret_access_key=s\n")
        #expect(try await source.credentials().accessKeyID == "1")
    }

    @Test func theEnvironment() async throws {
        let variables = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"]
        #expect(
            try await Self.source(.environment(variables)).credentials()
                == S3Credentials(accessKeyID: "id", secretAccessKey: "s", sessionToken: "t"))
        for missing in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            for value in [nil, ""] as [String?] {
                var partial = variables
                partial[missing] = value
                let failure = await #expect(throws: TargetFailure.self) {
                    try await Self.source(.environment(partial)).credentials()
                }
                #expect(failure?.kind == .denied)
            }
        }
    }

    /// `AWS_SESSION_TOKEN=` is how many a compose file says "none"; an empty header would break every signature.
    @Test func anEmptyTokenIsNone() async throws {
        let variables = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": ""]
        #expect(try await Self.source(.environment(variables)).credentials().sessionToken == nil)
    }

    // MARK: Services

    private static let container = "http://169.254.170.2/v2/credentials/1"

    @Test func aContainersServiceIsAskedWhereTheEnvironmentNamesNoKeys() async throws {
        let service = Service([Self.container: Self.keys("c", goodForSeconds: 3600)])
        let environment = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1", "AWS_ACCESS_KEY_ID": ""]
        let source = Self.source(.environment(environment), service)
        let expected = S3Credentials(accessKeyID: "c", secretAccessKey: "s", sessionToken: "t")
        #expect(try await source.credentials() == expected)
        #expect(try await source.credentials() == expected)
        #expect(service.asked.count == 1)
        #expect(service.asked[0].headers.isEmpty)
    }

    @Test func aTokenFileIsReadAtEachQuestion() async throws {
        let directory = try TemporaryDirectory()
        let path = try directory.file("token", "first\n")
        let url = "http://127.0.0.1:9000/keys"
        let service = Service([url: Self.keys("c")])
        let source = Self.source(
            .environment([
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": path.display,
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "not this one",
            ]), service)
        _ = try await source.credentials()
        try directory.file("token", "second\n")
        source.forget()
        _ = try await source.credentials()
        #expect(service.asked.map { $0.headers.map(\.value) } == [["first"], ["second"]])
    }

    /// A token must not go to whoever an address leads to.
    @Test(
        arguments: [
            ("https://keys.example.org/a", true), ("http://localhost:1/a", true), ("http://127.1.2.3/a", true),
            ("http://[::1]:80/a", true), ("http://169.254.170.23/v1", true), ("http://[fd00:ec2::23]/v1", true),
            ("http://keys.example.org/a", false), ("http://127.0.0.1.example.org/a", false),
            ("http://169.254.169.254/a", false), ("ftp://localhost/a", false),
            ("http://localhost@example.org/", false),
        ])
    func whereATokenMayGo(_ url: String, _ isAllowed: Bool) async {
        let environment = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "secret"]
        let service = Service([url: Self.keys("c")])
        let keys = try? await Self.source(.environment(environment), service).credentials()
        #expect((keys != nil) == isAllowed)
        #expect(service.asked.count == (isAllowed ? 1 : 0))
    }

    @Test func keysAreAskedForAgainBeforeTheyExpire() async throws {
        let time = Mutex(Self.noon)
        let service = Service([Self.container: Self.keys("first", goodForSeconds: 1000)])
        let source = Self.source(
            .environment(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"]), service
        ) { time.withLock(\.self) }
        func id(after seconds: Double) async throws -> String {
            time.withLock { $0 = Self.noon.adding(seconds: seconds) }
            return try await source.credentials().accessKeyID
        }
        #expect(try await id(after: 0) == "first")
        service.state.withLock { $0.answers[Self.container] = Self.keys("second", goodForSeconds: 3000) }
        #expect(try await id(after: 699) == "first")
        #expect(try await id(after: 700) == "second")
        // The service is away: what it gave is used to its end, and no longer.
        service.state.withLock { $0.answers = [:] }
        #expect(try await id(after: 2999) == "second")
        await #expect(throws: TargetFailure.self) { try await id(after: 3000) }
    }

    /// Refused keys are not used again because a service is away.
    @Test func refusedKeysAreForgotten() async throws {
        let service = Service([Self.container: Self.keys("first", goodForSeconds: 3600)])
        let source = Self.source(
            .environment(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"]), service)
        _ = try await source.credentials()
        source.forget()
        service.state.withLock { $0.answers = [:] }
        await #expect(throws: TargetFailure.self) { try await source.credentials() }
    }

    @Test func aMachinesServiceIsAskedWithItsToken() async throws {
        let (root, roles) = ("http://127.0.0.1:1338", "/latest/meta-data/iam/security-credentials/")
        let service = Service([
            "\(root)/latest/api/token": HTTPResponse(status: 200, body: Array("tok".utf8)),
            "\(root)\(roles)": HTTPResponse(status: 200, body: Array("station\n".utf8)),
            "\(root)\(roles)station": Self.keys("m", goodForSeconds: 3600),
        ])
        let place = S3KeyService.Place.instance(["AWS_EC2_METADATA_SERVICE_ENDPOINT": root])
        #expect(try await Self.source(.service(place), service).credentials().accessKeyID == "m")
        #expect(service.asked.map(\.method) == ["PUT", "GET", "GET"])
        #expect(service.asked[2].headers.map(\.value) == ["tok"])
        #expect(S3KeyService.Place.instance([:]) == .instance(url: "http://169.254.169.254"))
    }

    @Test(
        arguments: [
            (404, "", .denied), (403, "", .denied), (500, "", .serverFault), (200, "", .denied), (200, "{}", .denied),
            (200, "{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"\"}", .denied),
        ] as [(Int, String, TargetFailure.Kind)])
    func aServiceWithoutKeys(_ status: Int, _ body: String, _ kind: TargetFailure.Kind) async {
        let service = Service([Self.container: HTTPResponse(status: status, body: Array(body.utf8))])
        let environment = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"]
        let failure = await #expect(throws: TargetFailure.self) {
            try await Self.source(.environment(environment), service).credentials()
        }
        #expect(failure?.kind == kind)
    }
}
