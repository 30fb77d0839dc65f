import ContentHash
import EvidenceModel
import Foundation
import StationTesting
import SyncEngine
import Testing

@Suite("S3 signatures")
struct S3SignerTests {
    /// "Signature Calculations for the Authorization Header", Amazon S3 API Reference: its four examples.
    struct Published: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var method = "GET"
        var path: [String] = []
        var query: [(name: String, value: String)] = []
        var headers: [String: String] = [:]
        var body = ""
        var target: String
        var signed: String
        var signature: String
    }

    static let published = [
        Published(
            testDescription: "GET Object", path: ["test.txt"], headers: ["range": "bytes=0-9"], target: "/test.txt",
            signed: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Published(
            testDescription: "PUT Object", method: "PUT", path: ["test$file.text"],
            headers: ["date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"],
            body: "Welcome to Amazon S3.", target: "/test%24file.text",
            signed: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Published(
            testDescription: "GET Bucket Lifecycle", query: [("lifecycle", "")], target: "/?lifecycle=",
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Published(
            testDescription: "List Objects", query: [("prefix", "J"), ("max-keys", "2")],
            target: "/?max-keys=2&prefix=J", signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test(arguments: published)
    func publishedExample(_ example: Published) throws {
        let signed = S3Signer.sign(
            S3Signer.Unsigned(
                method: example.method, host: "examplebucket.s3.amazonaws.com", path: example.path,
                query: example.query, headers: example.headers, payload: .sha256(of: Array(example.body.utf8))),
            credentials: S3Credentials(
                accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            region: "us-east-1", at: WallTime(millisecondsSince1970: 1_369_353_600_999))
        #expect(signed.pathAndQuery == example.target)
        let headers = Dictionary(uniqueKeysWithValues: signed.headers.map { ($0.name, $0.value) })
        #expect(headers["x-amz-date"] == "20130524T000000Z")
        #expect(
            headers["authorization"]
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                + "SignedHeaders=\(example.signed), Signature=\(example.signature)")
    }

    /// One line of `Scripts/s3/signatures.py`.
    private struct Opinion: Decodable {
        var method: String
        var host: String
        var path: [String]
        var query: [[String]]
        var headers: [String: String]
        var body: String
        var token: String?
        var at: Int64
        var region: String
        var quoted: String
        var canonicalQuery: String
        var authorization: String
    }

    @Test(.enabled(if: Repository.hasTestTools, "needs Scripts/test-tools: botocore is the second opinion"))
    func botocoreSignsAlike() throws {
        let script = Repository.path("Scripts/s3/signatures.py")
        let lines = try Tool.run("env", Repository.path(".build/test-tools/bin/python"), script, "400", "20260101")
        let opinions = try lines.split(separator: "\n").map {
            try JSONDecoder().decode(Opinion.self, from: Data($0.utf8))
        }
        #expect(opinions.count == 400)
        for opinion in opinions {
            let body = try #require(Hexadecimal.decode(opinion.body))
            let signed = S3Signer.sign(
                S3Signer.Unsigned(
                    method: opinion.method, host: opinion.host, path: opinion.path,
                    query: opinion.query.map { ($0[0], $0[1]) }, headers: opinion.headers,
                    payload: .sha256(of: body)),
                credentials: S3Credentials(
                    accessKeyID: "test:tester", secretAccessKey: "secret/Key+1", sessionToken: opinion.token),
                region: opinion.region, at: WallTime(millisecondsSince1970: opinion.at * 1000))
            let query = opinion.canonicalQuery.isEmpty ? "" : "?\(opinion.canonicalQuery)"
            #expect(signed.pathAndQuery == opinion.quoted + query)
            #expect(signed.headers.last?.value == opinion.authorization)
        }
    }
}
