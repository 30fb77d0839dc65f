import Glibc

/// What one run cost.
struct Cost: Sendable {
    var wallSeconds: Double
    /// User and system time together.
    var processorSeconds: Double
}

/// Runs things and looks at the clock.
enum Measure {
    /// Whose processor time counts.
    enum Worker {
        case thisProcess
        case childProcess
    }

    /// What `body` costs.
    static func cost(of worker: Worker = .thisProcess, _ body: () throws -> Void) rethrows -> Cost {
        let clock = ContinuousClock()
        let processorBefore = processorSeconds(worker)
        let start = clock.now
        try body()
        let wall = start.duration(to: clock.now)
        return Cost(wallSeconds: wall / .seconds(1), processorSeconds: processorSeconds(worker) - processorBefore)
    }

    /// Of this process since it began.
    static var ownProcessorSeconds: Double { processorSeconds(.thisProcess) }

    private static func processorSeconds(_ worker: Worker) -> Double {
        var usage = rusage()
        let who = worker == .thisProcess ? RUSAGE_SELF : RUSAGE_CHILDREN
        getrusage(__rusage_who_t(who.rawValue), &usage)
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000
    }

    /// The middle one of an odd number of values.
    static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

/// One line of the result: so much a second, and what a peer did on the same machine at the same time.
struct Result: Sendable {
    var subject: String
    var amount: String
    /// Medians' ratio, ours to the peer's; more than 1 is better than the peer.
    var ratios: [(peer: String, ratio: Double)] = []
}

/// Results as a table of Markdown, for people and for `docs/benchmarks.md`.
enum Report {
    static func table(_ results: [Result]) -> String {
        let rows = results.map { result in
            [
                result.subject, result.amount,
                result.ratios.map { "\(decimal($0.ratio, 2)) × \($0.peer)" }.joined(separator: ", "),
            ]
        }
        let all = [["what", "median of \(Sizes.runs)", "against a peer"]] + rows
        let widths = (0..<3).map { column in all.map { $0[column].count }.max() ?? 0 }
        let lines = all.map { row in
            "| " + zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: " | ")
                + " |"
        }
        let rule = "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|"
        return ([lines[0], rule] + lines.dropFirst()).joined(separator: "\n")
    }

    /// `1234.5` with so many digits after the point.
    static func decimal(_ number: Double, _ digits: Int) -> String {
        let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
        let rounded = (number * scale).rounded() / scale
        return digits == 0 ? String(Int(rounded)) : String(rounded)
    }
}
