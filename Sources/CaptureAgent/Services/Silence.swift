/// Tells that a device does not answer: counts ticks in which nothing came from it. It says nothing of why; a device that
/// hangs inside a system call is left alone until the kernel gives up or somebody unplugs it.
struct Silence: Sendable {
    /// Seconds without a byte of a file that is being read.
    static let readSeconds = 20
    /// Seconds by which a look at the tree may be late.
    static let lookSeconds = 120

    private var bytes: Int64 = 0
    private var withoutBytes = 0
    private var withoutLook = 0

    /// Something was heard about the tree.
    mutating func looked() { withoutLook = 0 }

    /// A second passed.
    ///
    /// - Parameters:
    ///   - reading: bytes of the file that is being read, or nothing where none is.
    mutating func ticked(reading: Int64?) {
        withoutLook += 1
        if let reading, reading == bytes { withoutBytes += 1 } else { withoutBytes = 0 }
        bytes = reading ?? 0
    }

    /// For how many seconds the device has not answered, where that is too long.
    ///
    /// - Parameter rescanSeconds: between two looks at the tree.
    func seconds(rescanSeconds: Double) -> Int? {
        if withoutBytes >= Self.readSeconds { return withoutBytes }
        return Double(withoutLook) >= rescanSeconds + Double(Self.lookSeconds) ? withoutLook : nil
    }
}
