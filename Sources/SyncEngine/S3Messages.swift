import FoundationXML
import Foundation

/// An element of an XML answer: names without prefixes, text without surrounding blanks.
struct S3Element: Sendable, Hashable {
    var name: String
    var text: String = ""
    var children: [S3Element] = []

    func child(_ name: String) -> S3Element? { children.first { $0.name == name } }
    func children(_ name: String) -> [S3Element] { children.filter { $0.name == name } }

    /// The text of a child, or nothing where it is missing or empty.
    func text(_ name: String) -> String? { child(name).flatMap { $0.text.isEmpty ? nil : $0.text } }
}

/// Bodies of S3's requests and answers (Amazon S3 API Reference).
enum S3Messages {
    /// The root element, or nothing where the body is not one whole XML document.
    ///
    /// S3 may send blanks for minutes before the document, to keep the connection (CompleteMultipartUpload).
    static func parse(_ body: [UInt8]) -> S3Element? {
        let document = body.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
        // Foundation's parser ends the process at a name of an element or attribute that is not UTF-8.
        guard !document.isEmpty, String(validating: document, as: UTF8.self) != nil else { return nil }
        let parser = XMLParser(data: Data(document))
        let reader = ElementReader()
        parser.delegate = reader
        parser.shouldResolveExternalEntities = false
        return parser.parse() && parser.parserError == nil ? reader.root : nil
    }

    static func completeBody(_ tags: [String]) -> [UInt8] {
        let parts = tags.enumerated().map { index, tag in
            "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\"\(escaped(tag))\"</ETag></Part>"
        }
        let open = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        return Array((open + parts.joined() + "</CompleteMultipartUpload>").utf8)
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    /// An ETag without quotes, in lowercase: stores disagree about both.
    static func tag(_ text: String) -> String { text.filter { $0 != "\"" }.lowercased() }

    /// One page of ListParts.
    static func parts(_ root: S3Element) -> (parts: [ListedPart], nextMarker: String?)? {
        guard root.name == "ListPartsResult" else { return nil }
        let parts = root.children("Part").compactMap { part -> ListedPart? in
            guard let number = part.text("PartNumber").flatMap({ Int($0) }),
                let size = part.text("Size").flatMap({ Int64($0) }), let tag = part.text("ETag")
            else { return nil }
            return ListedPart(number: number, size: size, tag: S3Messages.tag(tag))
        }
        guard parts.count == root.children("Part").count else { return nil }
        guard root.text("IsTruncated") == "true" else { return (parts, nil) }
        // Some stores leave the marker out: it is the page's last number.
        guard let next = root.text("NextPartNumberMarker") ?? parts.last.map({ String($0.number) }) else { return nil }
        return (parts, next)
    }
}

private final class ElementReader: NSObject, XMLParserDelegate {
    private var open: [S3Element] = []
    private(set) var root: S3Element?

    /// Answers of S3 have four levels; a tower of elements would overflow the stack of whoever takes it down.
    private static let mostLevels = 32

    func parser(
        _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        if open.count == Self.mostLevels { return parser.abortParsing() }
        let local = elementName.split(separator: ":").last.map(String.init) ?? elementName
        open.append(S3Element(name: local))
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
        guard !open.isEmpty else { return }
        open[open.count - 1].text += string
    }

    func parser(
        _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName: String?
    ) {
        guard var element = open.popLast() else { return }
        element.text = element.text.trimmingCharacters(in: .whitespacesAndNewlines)
        if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
    }
}
