import EvidenceModel
import LocatedYAML
import SyncEngine
import Testing

@testable import CaptureAgent

/// Limits of the link as the configuration has them.
@Suite("Limits in the configuration") struct BandwidthReadingTests {
    private func read(_ upload: String, target: String = "") throws(YAMLError) -> AgentConfiguration {
        try ConfigurationReader.read(
            file: RawPath("/etc/c.yaml"),
            text: """
                station: {id: test-01, name: t, time_zone: Asia/Shanghai}
                state_directory: state
                sources: [{name: docks, mounts_under: /media}]
                targets: [{name: nas, directory: {path: nas}\(target)}]
                upload: {\(upload)}
                """, environment: [:])
    }

    @Test func everyFormIsUnderstood() throws {
        let configuration = try read(
            """
            deadline_hours: 8, ignore_limit_for: [important, pressing], bandwidth: [
              {days: mon-fri, from: "08:00", to: "18:00", limit: 20 Mbit/s},
              {days: "sat, sun-mon", from: "22:00", limit: pause}, {to: "24:00", limit: 16 kbit/s}]
            """,
            target: ", requests_at_once: 2, bandwidth: [{limit: unlimited}, {limit: 0}]")
        #expect(
            configuration.upload.bandwidth.entries == [
                .init(days: [1, 2, 3, 4, 5], fromMinute: 480, toMinute: 1080, limit: .bytesPerSecond(2_500_000)),
                .init(days: [6, 7, 1], fromMinute: 1320, limit: .paused), .init(limit: .bytesPerSecond(2000)),
            ])
        #expect(configuration.upload.ignoringLimits == [.important, .pressing] && configuration.deadlineHours == 8)
        let target = try #require(configuration.targets.first)
        #expect(target.requestsAtOnce == 2 && target.bandwidth.entries.map(\.limit) == [.unlimited, .paused])
    }

    @Test func aProfileSaysHowMuchIsInMemory() throws {
        #expect(try read("deadline_hours: 8").upload.profile.memoryBytes == 32 << 20)
        #expect(try read("profile: lean").upload.profile.memoryBytes == 16 << 20)
        let error = #expect(throws: YAMLError.self) { try read("profile: small") }
        #expect(error.map { "\($0)".contains("upload.profile") } == true, "\(error?.description ?? "")")
    }

    @Test(arguments: [
        ("{limit: 20 mbit/s}", "bandwidth.0.limit: is \"20 mbit/s\""), ("{limit: 1 kbit/s}", "expected 16 kbit/s"),
        ("{days: mo-fri, limit: pause}", "bandwidth.0.days"), ("{days: mon-tue-wed, limit: pause}", "bandwidth.0.days"),
        ("{from: \"24:00\", limit: pause}", "bandwidth.0.from"), ("{to: \"8:00\", limit: pause}", "bandwidth.0.to"),
        ("{from: \"08:00\", to: \"08:00\", limit: pause}", "are the same"),
        ("{day: mon, limit: pause}", "the nearest known key is \"days\""),
    ])
    func whatIsWrongIsNamedWithItsPlace(_ entry: String, _ expected: String) {
        let error = #expect(throws: YAMLError.self) { try read("bandwidth: [\(entry)]") }
        #expect(error?.line == 5 && error.map { "\($0)".contains(expected) } == true, "\(error?.description ?? "")")
    }
}
