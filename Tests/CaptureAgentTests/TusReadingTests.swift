import EvidenceModel
import LocatedYAML
import Testing

@testable import CaptureAgent

@Suite("tus targets in the configuration") struct TusReadingTests {
    private func read(_ target: String) throws(YAMLError) -> AgentConfiguration {
        try ConfigurationReader.read(
            file: RawPath("/etc/c.yaml"),
            text: """
                station: {id: test-01, name: t, time_zone: Asia/Shanghai}
                state_directory: state
                sources: [{name: docks, mounts_under: /media}]
                targets: [{name: hub, \(target)}]
                """, environment: [:])
    }

    @Test func urlTokenAndCertificates() throws {
        let configuration = try read(
            "tus: {url: https://hub.example.org/files/, token_file: token, ca_file: /etc/hub.pem}")
        guard case .tus(let tus)? = configuration.targets.first?.place else {
            Issue.record("no tus target")
            return
        }
        #expect(tus.url == "https://hub.example.org/files/")
        #expect(tus.tokenFile == RawPath("/etc/token") && tus.caFile == "/etc/hub.pem")
    }

    @Test(
        arguments: [
            ("tus: {url: hub.example.org}", "is not http(s)://host[:port]/path"),
            ("tus: {url: https://hub.example.org}", "is not http(s)://host[:port]/path"),
            ("tus: {}", "url"), ("tus: {url: http://h/f, directory: x}", "directory"),
            ("tus: {url: http://h/f}, directory: {path: /x}", "either \"s3\", \"directory\" or \"tus\""),
        ])
    func whatIsWrongIsSaid(_ target: String, _ words: String) {
        let error = #expect(throws: YAMLError.self) { try read(target) }
        #expect(error.map { "\($0)" }?.contains(words) == true, "\(error as Any)")
    }
}
