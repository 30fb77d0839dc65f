import Testing

@testable import SyncEngine

@Suite("S3 messages", .timeLimit(.minutes(1)))
struct S3MessagesTests {
    private func parse(_ text: String) -> S3Element? { S3Messages.parse(Array(text.utf8)) }

    @Test func blanksBeforeTheDocument() {
        let blanks = String(repeating: " \r\n\t", count: 10_000)
        let root = parse(blanks + "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R><ETag> \"a\" </ETag></R>\n")
        #expect(root?.text("ETag") == "\"a\"")
    }

    @Test func prefixesAndNamespaces() {
        let root = parse(
            "<s3:R xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\" xmlns=\"urn:x\"><s3:UploadId>1</s3:UploadId>"
                + "<x:Other xmlns:x=\"urn:y\">2</x:Other></s3:R>")
        #expect(root?.name == "R")
        #expect(root?.text("UploadId") == "1")
        #expect(root?.text("Other") == "2")
        #expect(root?.text("Missing") == nil)
    }

    @Test(arguments: [
        "", "   ", "<", "<R>", "<R><A>1</A>", "<R></S>", "not XML", "{\"a\": 1}", "<R/><R/>", "<R>&unknown;</R>",
        "<html><body><p>Sign in<br></body></html>",
    ])
    func whatIsNoWholeDocumentIsNothing(_ text: String) { #expect(parse(text) == nil) }

    /// Foundation's parser would end the process at these.
    @Test(arguments: ["<R a\u{9F}='1'></R>", "<R><E\u{9F}/></R>", "<R xmlns\u{9F}='1'/>"])
    func whatIsNotUTF8IsNothing(_ text: String) {
        // Latin 1: a byte for each character.
        #expect(S3Messages.parse(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }) == nil)
    }

    @Test func everyTruncationIsNothing() {
        let whole = Array("<R a='1'><ETag>&quot;ab&quot;</ETag><!-- c --><B/></R>".utf8)
        #expect(S3Messages.parse(whole)?.text("ETag") == "\"ab\"")
        for length in 0..<whole.count {
            #expect(S3Messages.parse(Array(whole.prefix(length))) == nil, "the first \(length) bytes")
        }
    }

    @Test func entitiesDoNotBlowUp() {
        var document = "<!DOCTYPE R [<!ENTITY a0 \"lollollollollol\">"
        for level in 1...30 {
            document += "<!ENTITY a\(level) \"" + String(repeating: "&a\(level - 1);", count: 10) + "\">"
        }
        let root = parse(document + "]><R><Code>&a30;</Code></R>")
        #expect((root?.text("Code")?.utf8.count ?? 0) < 1 << 20)
    }

    @Test func noFileIsReadIn() {
        let root = parse("<!DOCTYPE R [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><R><Code>&x;</Code></R>")
        #expect(root?.text("Code")?.contains("root") != true)
    }

    @Test func depthDoesNotEndTheProcess() {
        let depth = 100_000
        let document = String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        _ = parse("<R>" + document + "</R>")
    }

    @Test func tagsWithoutQuotesInLowercase() {
        #expect(S3Messages.tag("\"D41D8CD98F00B204E9800998ECF8427E-3\"") == "d41d8cd98f00b204e9800998ecf8427e-3")
        #expect(S3Messages.tag("d41d") == "d41d")
        #expect(parse("<R><ETag>&quot;aB&#34;</ETag></R>")?.text("ETag").map(S3Messages.tag) == "ab")
    }

    private func part(_ number: Int, size: String = "5", tag: String = "&quot;AB&quot;") -> String {
        "<Part><PartNumber>\(number)</PartNumber><ETag>\(tag)</ETag><Size>\(size)</Size></Part>"
    }

    @Test func aPageOfParts() throws {
        let root = try #require(parse("<ListPartsResult>\(part(1))\(part(3, tag: "cd"))</ListPartsResult>"))
        let page = try #require(S3Messages.parts(root))
        #expect(page.parts == [ListedPart(number: 1, size: 5, tag: "ab"), ListedPart(number: 3, size: 5, tag: "cd")])
        #expect(page.nextMarker == nil)
    }

    @Test func theNextPageFollowsItsMarker() throws {
        let text =
            "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>"
            + "\(part(1))\(part(2))</ListPartsResult>"
        #expect(try S3Messages.parts(#require(parse(text)))?.nextMarker == "2")
    }

    /// Some stores leave the marker out: the last number is one. The page must not be taken for the last.
    @Test func aTruncatedPageWithoutMarkerIsNotTheLast() throws {
        let text = "<ListPartsResult><IsTruncated>true</IsTruncated>\(part(1))\(part(2))</ListPartsResult>"
        #expect(try S3Messages.parts(#require(parse(text)))?.nextMarker == "2")
        let empty = "<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>"
        #expect(try S3Messages.parts(#require(parse(empty))) == nil)
    }

    @Test func aPartThatIsNotWholeIsNoList() throws {
        for broken in [part(1, size: "x"), part(1, tag: ""), "<Part><PartNumber>1</PartNumber></Part>"] {
            let root = try #require(parse("<ListPartsResult>\(part(2))\(broken)</ListPartsResult>"))
            #expect(S3Messages.parts(root) == nil)
        }
        #expect(try S3Messages.parts(#require(parse("<Error><Code>x</Code></Error>"))) == nil)
    }

    @Test func completionNamesEveryPartInOrder() {
        let body = String(decoding: S3Messages.completeBody(["aa", "bb"]), as: UTF8.self)
        #expect(
            body.hasSuffix(
                "<Part><PartNumber>1</PartNumber><ETag>\"aa\"</ETag></Part>"
                    + "<Part><PartNumber>2</PartNumber><ETag>\"bb\"</ETag></Part></CompleteMultipartUpload>"))
        #expect(parse(body)?.children("Part").map { $0.text("ETag") } == ["\"aa\"", "\"bb\""])
    }

    @Test func completionOfATagWithMarkupIsStillXML() {
        let body = String(decoding: S3Messages.completeBody(["a<b>&c"]), as: UTF8.self)
        #expect(parse(body)?.children.first?.text("ETag") == "\"a<b>&c\"")
    }
}
