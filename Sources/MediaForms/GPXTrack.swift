internal import CExpat
import EvidenceModel

/// A GPX 1.0 or 1.1 file (topografix.com/GPX/1/1): points of tracks and routes, and waypoints, read by Expat.
///
/// Entities are refused where they are declared, so that none can grow or name another file.
enum GPXTrack {
    /// In so many bytes the element `gpx` begins.
    private static let headLength = 4096
    private static let pieceLength = 1 << 20

    /// What is there of a file that is cut counts.
    static func read(_ bytes: ArraySlice<UInt8>) -> SidecarReading? {
        let head = bytes.prefix(headLength)
        guard head.first(where: { $0 > 0x20 }) == UInt8(ascii: "<"), names(head) else { return nil }
        guard let parser = XML_ParserCreate(nil) else { return nil }
        defer { XML_ParserFree(parser) }
        let reader = GPXReader(parser)
        // Expat calls back only within XML_Parse below, while `reader` is alive.
        XML_SetUserData(parser, Unmanaged.passUnretained(reader).toOpaque())
        XML_SetElementHandler(parser, elementBegan, elementEnded)
        XML_SetCharacterDataHandler(parser, textCame)
        XML_SetEntityDeclHandler(parser, entityDeclared)
        withExtendedLifetime(reader) {
            bytes.withUnsafeBufferPointer { all in
                var index = 0
                while index < all.count {
                    let length = min(pieceLength, all.count - index)
                    // Within `all`, and `length` fits the C int.
                    let piece = UnsafeRawPointer(all.baseAddress.map { $0 + index })?.assumingMemoryBound(
                        to: CChar.self)
                    index += length
                    guard XML_Parse(parser, piece, Int32(length), index == all.count ? 1 : 0) == XML_STATUS_OK else {
                        return
                    }
                }
            }
        }
        guard reader.isGPX else { return nil }
        return SidecarReading(form: .gpx, positions: reader.positions, startedAt: reader.startedAt)
    }

    /// The head says "<gpx" or "<prefix:gpx" somewhere.
    private static func names(_ head: ArraySlice<UInt8>) -> Bool {
        let name = Array("gpx".utf8)
        return head.indices.dropLast(2).contains { index in
            head[index..<index + 3].elementsEqual(name) && index > head.startIndex
                && (head[index - 1] == UInt8(ascii: "<") || head[index - 1] == UInt8(ascii: ":"))
        }
    }
}

private typealias XMLName = UnsafePointer<XML_Char>

private func reader(_ data: UnsafeMutableRawPointer?) -> GPXReader? {
    data.map { Unmanaged<GPXReader>.fromOpaque($0).takeUnretainedValue() }
}

private let elementBegan: XML_StartElementHandler = { data, name, attributes in
    guard let name else { return }
    reader(data)?.began(String(cString: name), attributes)
}

private let elementEnded: XML_EndElementHandler = { data, _ in reader(data)?.ended() }

private let textCame: XML_CharacterDataHandler = { data, text, length in
    guard let text, length > 0 else { return }
    // Expat lends `length` bytes for the call.
    reader(data)?.came(UnsafeRawBufferPointer(start: text, count: Int(length)))
}

private let entityDeclared: XML_EntityDeclHandler = { data, _, _, _, _, _, _, _, _ in reader(data)?.stop() }

/// What of a GPX file counts, element by element.
private final class GPXReader {
    private let parser: XML_Parser
    private var depth = 0
    private(set) var isGPX = false
    private(set) var positions: [GeoPoint] = []
    private(set) var startedAt: WallTime?

    private var point: Point?
    private var text: [UInt8] = []

    private struct Point {
        /// Of its element.
        var depth: Int
        var isOfTrack: Bool
        var latitude: Double
        var longitude: Double
        var altitude: Double?
        var time: WallTime?
        /// The child whose text is being read.
        var child: String?
    }

    private static let mostLevels = 64
    private static let longestText = 64

    init(_ parser: XML_Parser) { self.parser = parser }

    func stop() { XML_StopParser(parser, XML_Bool(XML_FALSE)) }

    func began(_ qualified: String, _ attributes: UnsafeMutablePointer<XMLName?>?) {
        depth += 1
        let name =
            qualified.utf8.lastIndex(of: UInt8(ascii: ":")).map { String(qualified[$0...].dropFirst()) } ?? qualified
        if depth == 1 { isGPX = name == "gpx" }
        guard isGPX, depth <= Self.mostLevels, positions.count < SidecarReading.mostPositions else { return stop() }
        if let outer = point {
            point?.child = depth == outer.depth + 1 ? name : nil
            text = []
        } else if ["trkpt", "rtept", "wpt"].contains(name) {
            point = Self.point(attributes, depth: depth, isOfTrack: name == "trkpt")
        }
    }

    func came(_ bytes: UnsafeRawBufferPointer) {
        guard point?.child != nil, text.count < Self.longestText else { return }
        text += bytes.prefix(Self.longestText - text.count)
    }

    func ended() {
        defer { depth -= 1 }
        guard let open = point else { return }
        guard depth == open.depth else { return endedChild(open) }
        point = nil
        let place = GeoPoint(
            latitude: open.latitude, longitude: open.longitude, altitudeMetres: open.altitude,
            // A waypoint may have been set years before.
            at: open.isOfTrack ? open.time : nil)
        guard let place else { return }
        positions.append(place)
        if open.isOfTrack, startedAt == nil { startedAt = open.time }
    }

    private func endedChild(_ open: Point) {
        guard depth == open.depth + 1 else { return }
        var scanner = TextScanner(text.drop { $0 <= 0x20 })
        if open.child == "ele" { point?.altitude = scanner.decimal() }
        if open.child == "time" { point?.time = scanner.moment() }
        point?.child = nil
    }

    private static func point(
        _ attributes: UnsafeMutablePointer<XMLName?>?, depth: Int, isOfTrack: Bool
    ) -> Point? {
        guard let attributes else { return nil }
        var (latitude, longitude): (Double?, Double?) = (nil, nil)
        var index = 0
        // Names and values by turns, and a null pointer behind the last.
        while let name = attributes[index], let value = attributes[index + 1] {
            let text = Array(String(cString: value).utf8.prefix(longestText))
            var scanner = TextScanner(text.drop { $0 <= 0x20 })
            switch String(cString: name) {
            case "lat": latitude = scanner.decimal()
            case "lon": longitude = scanner.decimal()
            default: break
            }
            index += 2
        }
        guard let latitude, let longitude else { return nil }
        return Point(depth: depth, isOfTrack: isOfTrack, latitude: latitude, longitude: longitude)
    }
}
