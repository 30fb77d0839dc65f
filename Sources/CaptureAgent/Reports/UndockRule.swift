import MediaIndex

/// Decides whether a docked device may be taken away, from what its docking has come to.
struct UndockRule: Sendable {
    /// Somebody watches the docks at this moment; else nothing is called safe, since nobody knows what is docked now.
    let isWatched: Bool
    /// None where the source is not configured any more.
    let collect: AgentConfiguration.Source.Collect?

    /// The docking's one word. `safe_to_undock` is for a docking in which everything that was found is whole, and durable
    /// in the spool or verified on every target.
    func state(of dock: Dock) -> DockState {
        switch dock.state {
        case .uploading: isSafe(dock) ? .safeToUndock : .uploading
        // A word of the rule's own, that nobody stores.
        case .safeToUndock: .uploading
        case .reading, .copying, .attention, .undocked: dock.state
        }
    }

    private func isSafe(_ dock: Dock) -> Bool {
        guard isWatched, dock.filesDamaged == 0, dock.filesCollected >= dock.filesTotal else { return false }
        switch collect {
        case .spool: return true
        case .direct: return dock.filesVerified >= dock.filesTotal
        case nil: return false
        }
    }

    /// Seconds until the present step is over at the present rate, where anything moves.
    ///
    /// - Parameter uploadRate: bytes per second to all targets together.
    func secondsLeft(_ dock: Dock, uploadRate: Double) -> Double? {
        switch dock.state {
        case .reading, .copying: Self.seconds(dock.bytesTotal - dock.bytesCollected, dock.bytesPerSecond)
        case .uploading, .safeToUndock: Self.seconds(dock.bytesTotal - dock.bytesVerified, uploadRate)
        case .attention, .undocked: nil
        }
    }

    private static func seconds(_ bytes: Int64, _ rate: Double) -> Double? {
        bytes > 0 && rate > 0 ? Double(bytes) / rate : nil
    }
}
