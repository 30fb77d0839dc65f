import EvidenceModel
import LocatedYAML
import SyncEngine
import Testing

@testable import CaptureAgent

/// S3 targets as the configuration has them, and what the doctor says of them.
@Suite("S3 targets in the configuration")
struct StoreConfigurationTests {
    private func read(_ keys: String) throws(YAMLError) -> AgentConfiguration.Target.S3? {
        let configuration = try ConfigurationReader.read(
            file: RawPath("/etc/c.yaml"),
            text: """
                station: {id: test-01, name: t, time_zone: Asia/Shanghai}
                state_directory: state
                sources: [{name: docks, mounts_under: /media}]
                targets: [{name: cloud, s3: {endpoint: "https://s3.example.org", region: r, bucket: b\(keys)}}]
                """, environment: [:])
        guard case .s3(let s3)? = configuration.targets.first?.place else { return nil }
        return s3
    }

    @Test(
        arguments: [
            ("", nil), (", object_lock: none", nil), (", object_lock: governance", .governance),
            (", object_lock: compliance", .compliance),
        ] as [(String, S3Lock.Mode?)])
    func locks(_ keys: String, _ mode: S3Lock.Mode?) throws {
        let s3 = try #require(try read(keys))
        #expect(s3.lockMode == mode)
        #expect(!s3.hasInstanceCredentials)
    }

    @Test func keysOfTheMachine() throws {
        #expect(try read(", instance_credentials: true")?.hasInstanceCredentials == true)
        #expect(try read(", instance_credentials: false, credentials_file: k")?.hasInstanceCredentials == false)
    }

    @Test(arguments: [
        (", object_lock: Compliance", "compliance"), (", object_lock: true", "object_lock"),
        (", instance_credentials: true, credentials_file: k", "two places"),
    ])
    func whatIsWrongIsNamed(_ keys: String, _ expected: String) {
        let error = #expect(throws: YAMLError.self) { try read(keys) }
        #expect(error.map { "\($0)".contains(expected) } == true, "\(error?.description ?? "")")
    }

    private func seen(_ change: (inout S3Capabilities) -> Void) -> S3Capabilities {
        var store = S3Capabilities.amazonLike
        change(&store)
        return store
    }

    @Test func theDoctorTellsHowCopiesAreProved() {
        func state(_ seen: S3Capabilities?, needsLocks: Bool = false) -> DoctorCheck.State {
            StoreCheckup.check("cloud", seen, needsLocks: needsLocks).state
        }
        #expect(state(nil) == .note)
        #expect(state(seen { _ in }) == .ok)
        #expect(state(seen { $0.refusesWrongObjectCRC64 = false }) == .ok)
        #expect(state(seen { $0.refusesWrongSHA256 = false }) == .note)
        #expect(state(seen { ($0.refusesWrongSHA256, $0.namesByMD5) = (false, false) }) == .note)
        #expect(state(seen { _ in }, needsLocks: true) == .finding)
        #expect(state(seen { $0.keepsLocks = true }, needsLocks: true) == .ok)
        #expect(StoreCheckup.check("cloud", seen { _ in }, needsLocks: false).message.hasPrefix("L3 refuses wrong"))
    }
}

extension S3Capabilities {
    fileprivate static let amazonLike = S3Capabilities(
        refusesWrongSHA256: true, refusesWrongMD5: true, refusesWrongCRC64: true, refusesWrongObjectCRC64: true,
        namesByMD5: true, refusesSecondObject: true, replacesParts: true, pagesParts: true, tellsTime: true,
        keepsLocks: false, isDoubtful: false)
}
