import ContentHash
import EvidenceModel
import Foundation
import SyncEngine

/// Signatures of the requests that upload parts, against botocore's of the same requests.
struct SigningBenchmark {
    private let python: String?
    private let count: Int

    init(python: String?, sizes: Sizes) {
        self.python = python
        count = sizes.signatures
    }

    func run() throws -> [Result] {
        var own: [Double] = []
        var peer: [Double] = []
        for _ in 0..<Sizes.runs {
            own.append(Double(count) / Measure.cost { signAll() }.wallSeconds)
            if let python { peer.append(try peerRate(python)) }
        }
        let rate = Measure.median(own)
        var results = [Result(subject: "SigV4 signatures of UploadPart, one thread", amount: amount(rate))]
        if !peer.isEmpty {
            let theirs = Measure.median(peer)
            results[0].ratios = [(peer: "botocore", ratio: rate / theirs)]
            results.append(Result(subject: "botocore, the same requests", amount: amount(theirs)))
        }
        return results
    }

    private func amount(_ rate: Double) -> String { "\(Report.decimal(rate / 1000, 1)) thousand/s" }

    private func signAll() {
        let credentials = S3Credentials(
            accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE")
        let digest = ContentDigest.sha256(of: Array("part".utf8))
        let start = WallTime(millisecondsSince1970: 1_790_000_000_000)
        var bytes = 0
        for number in 1...count {
            let request = S3Signer.Unsigned(
                method: "PUT", host: "s3.example.org",
                path: ["evidence", "recordings", "bench", "2026", "11", "22", "K0001", "0193a1b2", "K0001_1.MP4"],
                query: [(name: "partNumber", value: String(number % 9500 + 1)), (name: "uploadId", value: "abcdef")],
                payload: digest)
            let signed = S3Signer.sign(request, credentials: credentials, region: "cn-north-1", at: start)
            bytes += signed.headers.count
        }
        precondition(bytes > count, "signed requests have headers")
    }

    /// Its own clock, from the first signature to the last: the interpreter's start is not its work.
    private func peerRate(_ python: String) throws -> Double {
        let output = try Peer.output(of: python, ["-c", Self.script, String(count)])
        guard let seconds = Double(output.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw PeerFailure(program: python)
        }
        return Double(count) / seconds
    }

    private static let script = """
        import sys, time, hashlib
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        auth = S3SigV4Auth(Credentials('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE'), 's3', 'cn-north-1')
        digest = hashlib.sha256(b'part').hexdigest()
        key = 'recordings/bench/2026/11/22/K0001/0193a1b2/K0001_1.MP4'
        start = time.perf_counter()
        for number in range(int(sys.argv[1])):
            request = AWSRequest(
                'PUT', f'https://s3.example.org/evidence/{key}',
                params={'partNumber': number % 9500 + 1, 'uploadId': 'abcdef'}, data=b'part',
                headers={'X-Amz-Content-SHA256': digest})
            auth.add_auth(request)
        print(time.perf_counter() - start)
        """
}
