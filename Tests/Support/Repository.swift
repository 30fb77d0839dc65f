import Foundation

/// Where the sources, and the tools beside them, lie.
package enum Repository {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The absolute path of a file named from the top of the repository.
    package static func path(_ name: String) -> String { "\(root)/\(name)" }

    /// Whether `Scripts/test-tools` has been run: Python with OpenStack Swift and botocore.
    package static let hasTestTools =
        FileManager.default.fileExists(atPath: path(".build/test-tools/test.stamp"))
}
