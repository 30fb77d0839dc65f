/// Tells that a device does not answer: counts ticks in which it was asked for something and gave no sign. It says nothing
/// of why; a device that hangs inside a system call is left alone until the kernel gives up or somebody unplugs it.
struct Silence: Sendable {
    /// Seconds without a sign while it is asked: longer than a card takes for a sector that it tries again and again (a
    /// command to a disk may take 30 s before the kernel gives up).
    static let askedSeconds = 60
    /// Seconds by which a look at the tree may be late.
    static let lookSeconds = 120

    private var signs = 0
    private var withoutSign = 0
    private var withoutLook = 0

    /// Something was heard about the tree.
    mutating func looked() { withoutLook = 0 }

    /// A second passed.
    ///
    /// - Parameters:
    ///   - isAsked: a call on the device is under way.
    ///   - signs: a number that grows with every block and every file.
    mutating func ticked(isAsked: Bool, signs: Int) {
        withoutLook += 1
        withoutSign = isAsked && signs == self.signs ? withoutSign + 1 : 0
        self.signs = signs
    }

    /// For how many seconds the device has not answered, where that is too long.
    ///
    /// - Parameter rescanSeconds: between two looks at the tree.
    func seconds(rescanSeconds: Double) -> Int? {
        if withoutSign >= Self.askedSeconds { return withoutSign }
        return Double(withoutLook) >= rescanSeconds + Double(Self.lookSeconds) ? withoutLook : nil
    }
}
