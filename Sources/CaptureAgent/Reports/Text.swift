import Foundation

/// Numbers for people.
enum Text {
    /// `1.3 GiB`.
    static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(count)
        var unit = 0
        while abs(value) >= 1024 && unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : String(format: value < 10 ? "%.1f " : "%.0f ", value) + units[unit]
    }

    /// `2 h 5 min`, `40 s`: coarse enough not to change at every look.
    static func duration(seconds: Double) -> String {
        let whole = max(0, Int(min(seconds, 1e9).rounded()))
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
        }
    }

    /// `+312.0 s`, `-1 d 2 h`: how far a clock is ahead.
    static func offset(seconds: Double) -> String {
        let size = abs(seconds)
        let text = size < 3600 ? String(format: "%.1f s", size) : duration(seconds: size)
        return (seconds < 0 ? "-" : "+") + text
    }

    /// Columns a terminal gives `text`: two for most of East Asia's characters.
    static func width(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { width, scalar in
            if scalar.properties.generalCategory == .nonspacingMark { return width }
            switch scalar.value {
            case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
                0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
                return width + 2
            default: return width + 1
            }
        }
    }

    /// `text` and blanks up to `columns`.
    static func padded(_ text: String, to columns: Int) -> String {
        text + String(repeating: " ", count: max(0, columns - width(text)))
    }

    /// What a device or a person wrote, without characters that would steer a terminal.
    static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// Rows under headings, each column as wide as its widest cell.
struct TextTable {
    private let headings: [String]
    private var rows: [[String]] = []

    init(_ headings: String...) {
        self.headings = headings
    }

    mutating func add(_ cells: String?...) {
        rows.append(cells.map { $0.map(Text.printable) ?? "–" })
    }

    var isEmpty: Bool { rows.isEmpty }

    /// Lines without trailing blanks.
    var text: String {
        let all = [headings] + rows
        let widths = headings.indices.map { column in all.map { Text.width($0[column]) }.max() ?? 0 }
        return all.map { row in
            let line = zip(row, widths).map { Text.padded($0, to: $1) }.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }
}
