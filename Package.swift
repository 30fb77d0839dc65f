// swift-tools-version: 6.2
import PackageDescription

/// What every target of the house is compiled with; `docs/architecture.md` says why.
let house: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
/// An HTTP server, and the parts of it and of SwiftNIO that its connections are watched with.
let server: [Target.Dependency] = [
    .product(name: "Hummingbird", package: "hummingbird"),
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
]
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

/// A module of the house. Its list of dependencies is its list of allowed imports: `Scripts/check-layers` holds it
/// against the plan in `docs/architecture.md`.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: house)
}

func tests(of name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name + "Tests", dependencies: [.byName(name: name)] + dependencies, swiftSettings: house)
}

let package = Package(
    name: "capture-agent",
    products: [
        .executable(name: "capture-agent", targets: ["CaptureAgent"]),
        .executable(name: "capture-probe", targets: ["CaptureProbe"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // Without its traits: swift-configuration, and what of it needs all of Foundation.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
    ],
    targets: [
        // System libraries: a module map and what Swift cannot import of the header, nothing else.
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CFolding"),
        .systemLibrary(name: "CAVFormat", pkgConfig: "libavformat", providers: [.apt(["libavformat-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CExif", pkgConfig: "libexif", providers: [.apt(["libexif-dev"])]),
        .systemLibrary(name: "CExpat", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),

        // Values, and the owners of kernel and library resources.
        module("EvidenceModel", []),
        module("FileAccess", ["CLinux", "EvidenceModel"]),
        module("ContentHash", ["CFolding", "COpenSSL", "EvidenceModel"]),
        module("LocatedYAML", ["Yams"]),
        // What published forms say of a file's bytes, without libavformat.
        module("MediaForms", ["CExif", "CExpat", "EvidenceModel"]),

        // What the agent is made of, in the order in which a recording meets them.
        module("DockWatch", ["EvidenceModel", "FileAccess"]),
        module("Collector", ["EvidenceModel", "FileAccess", "ContentHash"]),
        module("MediaProbe", ["CLinux", "EvidenceModel", "FileAccess", logging]),
        // Links libavformat, and is linked by the worker's process alone; MediaProbe is the agent's side of it.
        module("ProbeWorker", ["CAVFormat", "CLinux", "CSeccomp", "EvidenceModel", "FileAccess", "MediaForms"]),
        .executableTarget(name: "CaptureProbe", dependencies: ["ProbeWorker"], swiftSettings: house),
        module("MediaIndex", ["EvidenceModel", "LocatedYAML", grdb]),
        module("CustodyLedger", ["EvidenceModel", "ContentHash", grdb]),
        module("SyncEngine", ["EvidenceModel", "FileAccess", "ContentHash", grdb, logging]),
        module("CurlTransport", ["CCurl", "SyncEngine"]),
        module("Console", ["EvidenceModel", logging, lifecycle] + server),
        .executableTarget(
            name: "CaptureAgent",
            dependencies: [
                "EvidenceModel", "FileAccess", "ContentHash", "LocatedYAML", "DockWatch", "Collector", "MediaProbe",
                "MediaIndex", "CustodyLedger", "SyncEngine", "CurlTransport", "Console", grdb, logging, lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: house),

        // What tests share: directories, card images mounted for real, a clock set by hand.
        .target(
            name: "StationTesting", dependencies: ["EvidenceModel", "FileAccess", "ContentHash"], path: "Tests/Support",
            swiftSettings: house),
        // One way in for bytes that nobody vouches for. Tests run its corpus, `make fuzz` looks for more.
        .target(
            name: "ParserFuzzing",
            dependencies: ["DockWatch", "EvidenceModel", "MediaForms", "MediaIndex", "SyncEngine"],
            path: "Tests/Fuzz", exclude: ["Corpus"], swiftSettings: house),
        tests(of: "ParserFuzzing", ["StationTesting"]),
        tests(of: "EvidenceModel", ["StationTesting"]),
        tests(of: "FileAccess", ["EvidenceModel", "StationTesting"]),
        tests(of: "ContentHash", ["EvidenceModel", "StationTesting"]),
        tests(of: "Console", ["EvidenceModel", "StationTesting", logging, lifecycle]),
        tests(of: "LocatedYAML", []),
        tests(of: "MediaForms", ["EvidenceModel", "StationTesting"]),
        tests(of: "CustodyLedger", ["ContentHash", "EvidenceModel", "StationTesting", grdb]),
        tests(of: "MediaIndex", ["EvidenceModel", "LocatedYAML", "StationTesting", grdb]),
        tests(of: "Collector", ["ContentHash", "EvidenceModel", "FileAccess", "StationTesting"]),
        tests(of: "DockWatch", ["EvidenceModel", "FileAccess", "StationTesting"]),
        tests(
            of: "CaptureAgent",
            [
                "CaptureProbe", "Collector", "Console", "CustodyLedger", "DockWatch", "EvidenceModel", "FileAccess",
                "MediaIndex", "SyncEngine",
                "LocatedYAML",
                "StationTesting", grdb, logging,
            ]),
        tests(of: "SyncEngine", ["EvidenceModel", "FileAccess", "ContentHash", "StationTesting", grdb, logging]),
        tests(of: "CurlTransport", ["SyncEngine", "EvidenceModel", "StationTesting", logging]),
        tests(
            of: "MediaProbe",
            ["CaptureProbe", "ProbeWorker", "MediaForms", "EvidenceModel", "FileAccess", "StationTesting", logging]),
        // Measures single steps (`make bench`). Here and not in a package of its own, because what it measures is
        // `package`; `docs/benchmarks.md` says why.
        .executableTarget(
            name: "MicroBenchmarks",
            dependencies: [
                "EvidenceModel", "FileAccess", "ContentHash", "Collector", "MediaProbe", "ProbeWorker", "MediaIndex",
                "SyncEngine", grdb, logging,
            ],
            path: "Benchmarks/Micro", swiftSettings: house),
    ]
)

// Needs libFuzzer, so only `Scripts/fuzz` asks for it.
if Context.environment["CAPTURE_AGENT_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "ParserFuzzer", dependencies: ["ParserFuzzing"], path: "Tests/FuzzMain", swiftSettings: house))
}
