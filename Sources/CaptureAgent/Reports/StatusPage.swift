import MediaIndex

extension StatusReport {
    /// The page for people.
    var page: String {
        let agent = station.agent.map { "agent running (process \($0))" } ?? "no agent running"
        var lines = ["\(Text.printable(station.name)) (\(station.id)) · \(agent)", ""]
        lines += section("DOCKS", dockTable, "no device has been docked yet")
        lines += section("TARGETS", targetTable, "")
        lines.append(queueText)
        lines += safetyLines
        if !station.skipped.isEmpty {
            let skipped = station.skipped.sorted { $0.key < $1.key }
                .map { "\($0.value) \($0.key.replacing("_", with: " "))" }
            lines.append("left where they are: \(skipped.joined(separator: ", "))")
        }
        return (lines + troubles).joined(separator: "\n")
    }

    private func section(_ title: String, _ table: TextTable, _ nothing: String) -> [String] {
        [title, table.isEmpty ? nothing : table.text, ""]
    }

    private var troubles: [String] {
        var lines: [String] = []
        for row in docks {
            guard let reason = row.reason else { continue }
            // What asks for nobody is told without the mark.
            let mark = [DockState.attention, .undocked].map(\.rawValue).contains(row.state) ? "! " : ""
            let place = [row.bay ?? row.source, row.device].compactMap(\.self).joined(separator: ", ")
            lines += ["", "\(mark)\(Text.printable(place)): \(Text.printable(reason))"]
        }
        for row in targets {
            guard let reason = row.reason else { continue }
            lines += ["", "! \(row.name): \(Text.printable(reason))", "  \(row.hint ?? "")"]
        }
        for row in parked.prefix(Self.mostParked) {
            let subject = [row.recording, row.target].compactMap(\.self).joined(separator: " to ")
            lines += ["", "parked \(subject): \(Text.printable(row.reason))", "  \(row.hint)"]
        }
        if parked.count > Self.mostParked {
            lines += ["", "and \(parked.count - Self.mostParked) more: capture-agent status --json"]
        }
        return lines
    }

    private static let mostParked = 20

    private var dockTable: TextTable {
        var table = TextTable(
            "BAY", "DEVICE", "OFFICER", "STATE", "COLLECTED", "VERIFIED", "BYTES", "RATE", "LEFT", "CLOCK")
        for row in docks where row.state != DockState.undocked.rawValue || row.reason != nil {
            table.add(
                row.bay ?? row.source, row.device, row.officer, row.state.replacing("_", with: " "),
                "\(row.filesCollected)/\(row.filesTotal)", "\(row.filesVerified)/\(row.filesTotal)",
                "\(Text.bytes(row.bytesCollected)) of \(Text.bytes(row.bytesTotal))",
                row.bytesPerSecond > 0 ? "\(Text.bytes(Int64(row.bytesPerSecond)))/s" : nil,
                row.secondsLeft.map(Text.duration(seconds:)), row.clockOffsetSeconds.map(Text.offset))
        }
        return table
    }

    private var targetTable: TextTable {
        var table = TextTable("TARGET", "STATE", "RATE", "PROOF", "SINCE")
        for row in targets {
            table.add(
                row.name, row.state, "\(Text.bytes(Int64(row.bytesPerSecond)))/s", row.capabilities.first, row.since)
        }
        return table
    }

    private var timeLeft: String {
        guard let seconds = queue.secondsLeft, queue.bytesLeft > 0 else { return "" }
        return " · about \(Text.duration(seconds: seconds)) to go"
    }

    private var queueText: String {
        "COPIES  \(queue.verified) verified · \(queue.uploading) uploading · \(queue.waiting) waiting · "
            + "\(queue.parked) parked · \(queue.overdue) overdue · \(Text.bytes(queue.bytesLeft)) left" + timeLeft
    }

    /// One line for a terminal on which the agent runs.
    var progressLine: String {
        let active = docks.filter { $0.state != DockState.undocked.rawValue }
        let files = (active.reduce(0) { $0 + $1.filesCollected }, active.reduce(0) { $0 + $1.filesTotal })
        let bytes = (active.reduce(0) { $0 + $1.bytesCollected }, active.reduce(0) { $0 + $1.bytesTotal })
        let copies = queue.verified + queue.uploading + queue.waiting + queue.parked
        let rate = targets.reduce(0) { $0 + $1.bytesPerSecond }
        var line =
            "collected \(files.0)/\(files.1) files, \(Text.bytes(bytes.0)) of \(Text.bytes(bytes.1)) · "
            + "copies verified \(queue.verified)/\(copies), \(Text.bytes(queue.bytesLeft)) left"
        if rate > 0 { line += " · \(Text.bytes(Int64(rate)))/s" }
        line += timeLeft
        let waiting = targets.filter { $0.reason != nil }.map(\.name)
        if !waiting.isEmpty { line += " · waiting for \(waiting.joined(separator: ", "))" }
        return line
    }
}
