import LocatedYAML
import Testing

/// What reading `text` with `body` complains about; nothing where it does not.
private func complaint<Result>(
    _ text: String, overrides: [String: String] = [:],
    _ body: (inout YAMLMapping) throws(YAMLError) -> Result
) -> String? {
    do throws(YAMLError) {
        _ = try YAMLFile(name: "x.yaml", text: text, overrides: overrides, prefix: "AGENT").read(body)
        return nil
    } catch {
        return error.description
    }
}

private func value(_ text: String, overrides: [String: String] = [:]) throws(YAMLError) -> String? {
    let file = try YAMLFile(name: "x.yaml", text: text, overrides: overrides, prefix: "AGENT")
    return try file.read { (top) throws(YAMLError) in
        try top.optional("a").map { (value) throws(YAMLError) in try value.string() }
    }
}

@Suite("YAML: places")
struct YAMLPlaceTests {
    @Test func anErrorNamesFileLineAndPath() {
        let text = """
            # a comment
            targets:
              - name: cloud
              - name: nas
                s3:
                  port: many
            """
        let found = complaint(text) { (top) throws(YAMLError) in
            _ = try top.required("targets").list { (target) throws(YAMLError) in
                try target.mapping { (target) throws(YAMLError) in
                    _ = target.optional("name")
                    _ = try target.optional("s3").map { (s3) throws(YAMLError) in
                        try s3.mapping { (s3) throws(YAMLError) in try s3.required("port").integer() }
                    }
                }
            }
        }
        #expect(found == "x.yaml:6: targets.1.s3.port: is \"many\", expected a whole number")
    }

    @Test func anUnknownKeyIsShownWithItsLineAndTheNearest() {
        let found = complaint("deadline: 1\nrate: 2\ndeadlin: 3\n") { (top) throws(YAMLError) in
            _ = (top.optional("deadline"), top.optional("rate"))
        }
        #expect(found == "x.yaml:3: the key \"deadlin\" is not known, the nearest known key is \"deadline\"")
    }

    @Test func theFirstOfSeveralUnknownKeysIsShown() {
        let found = complaint("z: 1\na: 2\n") { (top) throws(YAMLError) in _ = top.optional("known") }
        #expect(found?.hasPrefix("x.yaml:1: the key \"z\" is not known") == true)
    }

    @Test func aMissingKeyNamesTheMisspelledOne() {
        let misspelled = complaint("other: 1\nstate_directry: /a\n") { (top) throws(YAMLError) in
            _ = top.optional("other")
            _ = try top.required("state_directory")
        }
        #expect(
            misspelled == "x.yaml:1: the key \"state_directory\" is missing: is \"state_directry\" meant to be it?")
        let absent = complaint("other: 1\n") { (top) throws(YAMLError) in try top.required("state_directory") }
        #expect(absent == "x.yaml:1: the key \"state_directory\" is missing")
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:1: a key stands twice in one mapping: \"a\""),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "x.yaml:3: a key stands twice in one mapping: \"c\""),
        ("", "x.yaml: is empty"), ("# nothing\n", "x.yaml: is empty"),
        ("- a\n", "x.yaml:1: expected a mapping of keys to values"),
        ("just text\n", "x.yaml:1: expected a mapping of keys to values"),
    ])
    func aFileThatIsNoMappingIsRefused(_ text: String, _ expected: String) {
        #expect(complaint(text) { (top) throws(YAMLError) in _ = (top.optional("a"), top.optional("b")) } == expected)
    }

    @Test(arguments: [
        ("a: 1\n\tb: 2\n", 2), ("a:\n  b: [1,\n  c: 2\n", 4), ("a: 'x\n", 2), ("a: *nobody\n", 1), ("a: {b\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
    ])
    func whatIsNoYAMLIsRefusedWithItsLine(_ text: String, _ line: Int) {
        let found = complaint(text) { (top) throws(YAMLError) in _ = (top.optional("a"), top.optional("b")) }
        #expect(found?.hasPrefix("x.yaml:\(line): is no YAML: ") == true, "\(found ?? "nothing")")
    }

    @Test func aKeyThatIsAListIsNotKnown() {
        let found = complaint("[a, b]: 1\n") { (top) throws(YAMLError) in _ = top.optional("a") }
        #expect(found?.hasPrefix("x.yaml:1: the key \"\" is not known") == true)
    }
}

@Suite("YAML: values")
struct YAMLValueTests {
    @Test(arguments: ["a: null", "a: ~", "a:", "a: Null", "b: 1\na: null"])
    func nullIsAbsent(_ text: String) throws {
        let file = try YAMLFile(name: "x.yaml", text: text)
        #expect(try file.read { (top) throws(YAMLError) in (top.optional("a"), top.optional("b")).0 == nil })
        let found = complaint(text) { (top) throws(YAMLError) in
            _ = top.optional("b")
            _ = try top.required("a")
        }
        #expect(found?.contains("the key \"a\" is missing") == true)
    }

    @Test(arguments: [
        ("a: \"null\"", "null"), ("a: '~'", "~"), ("a: ''", ""), ("a: true", "true"), ("a: 007", "007"),
        ("a: 2026-01-01", "2026-01-01"), ("a: |\n  x\n  y\n", "x\ny\n"), ("a: >\n  x\n  y\n", "x y\n"),
        ("a: 宝鸡市", "宝鸡市"), ("a: \"\\u5b9d\\n\"", "宝\n"), ("\u{FEFF}a: 1", "1"), ("a: 1\r\n", "1"),
        ("# c\r\na: x y\r\n\r\n", "x y"), ("{a: b}", "b"), ("--- \na: 1\n...\n", "1"),
    ])
    func textIsTakenAsItStands(_ text: String, _ expected: String) throws {
        #expect(try value(text) == expected)
    }

    @Test(
        arguments: [
            ("5", 5), ("-5", -5), ("9223372036854775807", .max), ("4.0", nil), ("0x10", nil), ("1_000", nil),
            ("9223372036854775808", nil), ("", nil), ("five", nil), ("'5'", 5), ("[5]", nil), ("{b: 5}", nil),
        ] as [(String, Int64?)])
    func wholeNumbersAreWhole(_ text: String, _ expected: Int64?) throws {
        let found = complaint("a: \(text)") { (top) throws(YAMLError) in
            #expect(try top.required("a").integer() == expected)
        }
        #expect((found == nil) == (expected != nil))
    }

    @Test func rangesHold() {
        func integer(_ text: String) -> String? {
            complaint("a: \(text)") { (top) throws(YAMLError) in try top.required("a").integer(in: 1...5) }
        }
        #expect(integer("1") == nil && integer("5") == nil)
        #expect(integer("0") == "x.yaml:1: a: is 0, expected 1 to 5")
        #expect(integer("6") == "x.yaml:1: a: is 6, expected 1 to 5")
        func number(_ text: String) -> String? {
            complaint("a: \(text)") { (top) throws(YAMLError) in try top.required("a").number(in: 0...1) }
        }
        #expect(number("0.5") == nil && number("1") == nil && number("1e-3") == nil)
        for text in ["1.5", "-0.1", "nan", ".nan", "inf", "1e999", "half"] { #expect(number(text) != nil, "\(text)") }
    }

    private enum Mode: String, CaseIterable { case spool, direct }

    @Test func choicesAndBooleansNameWhatIsPossible() {
        let choice = complaint("a: both") { (top) throws(YAMLError) in try top.required("a").choice(Mode.self) }
        #expect(choice == "x.yaml:1: a: is \"both\", expected one of: spool, direct")
        for text in ["yes", "True", "1", "on"] {
            let found = complaint("a: \(text)") { (top) throws(YAMLError) in try top.required("a").boolean() }
            #expect(found == "x.yaml:1: a: is \"\(text)\", expected true or false")
        }
        for (text, expected) in [("true", true), ("false", false)] {
            let found = complaint("a: \(text)") { (top) throws(YAMLError) in
                let boolean = try top.required("a").boolean()
                #expect(boolean == expected)
            }
            #expect(found == nil)
        }
    }

    @Test func theKindOfAValueIsHeldToWhatIsAsked() {
        let text = "a: [1]\nb: x\n"
        func found(_ body: (inout YAMLMapping) throws(YAMLError) -> Void) -> String? { complaint(text, body) }
        #expect(
            found { (top) throws(YAMLError) in _ = try top.required("a").string() }
                == "x.yaml:1: a: expected a single value, not a list or a mapping")
        #expect(
            found { (top) throws(YAMLError) in
                _ = try top.required("b").list { (value) throws(YAMLError) in try value.string() }
            } == "x.yaml:2: b: expected a list")
        #expect(
            found { (top) throws(YAMLError) in _ = try top.required("b").mapping { _ in } }
                == "x.yaml:2: b: expected a mapping of keys to values")
    }
}

@Suite("YAML: overrides")
struct YAMLOverrideTests {
    private struct Seen: Equatable {
        var id: String?
        var endpoint: String?
        var urls: [String]
    }

    private func read(_ overrides: [String: String]) throws -> Seen {
        let text = """
            station: {id: one}
            targets:
              - s3: {region: r}
            urls: [u0, u1]
            """
        let file = try YAMLFile(name: "x.yaml", text: text, overrides: overrides, prefix: "AGENT")
        return try file.read { (top) throws(YAMLError) in
            let id = try top.required("station").mapping { (station) throws(YAMLError) in
                try station.optional("id").map { (id) throws(YAMLError) in try id.string() }
            }
            let endpoints = try top.required("targets").list { (target) throws(YAMLError) in
                try target.mapping { (target) throws(YAMLError) in
                    try target.required("s3").mapping { (s3) throws(YAMLError) in
                        _ = s3.optional("region")
                        return try s3.optional("endpoint").map { (value) throws(YAMLError) in try value.string() }
                    }
                }
            }
            let urls = try top.required("urls").list { (url) throws(YAMLError) in try url.string() }
            return Seen(id: id, endpoint: endpoints[0], urls: urls)
        }
    }

    @Test func replaceWhatStandsAndWhatIsAbsent() throws {
        #expect(try read([:]) == Seen(id: "one", endpoint: nil, urls: ["u0", "u1"]))
        let overrides = [
            "AGENT_STATION_ID": "two", "AGENT_TARGETS_0_S3_ENDPOINT": "https://a", "AGENT_URLS_1": "v1", "ID": "no",
            "AGENT_TARGETS_1_S3_ENDPOINT": "no", "STATION_ID": "no",
        ]
        #expect(try read(overrides) == Seen(id: "two", endpoint: "https://a", urls: ["u0", "v1"]))
    }

    @Test func nullInTheEnvironmentIsText() throws {
        #expect(try read(["AGENT_STATION_ID": "null"]).id == "null")
        #expect(try read(["AGENT_STATION_ID": ""]).id == "")
    }

    @Test func anErrorNamesTheVariable() {
        let found = complaint("a: 1", overrides: ["AGENT_A": "x"]) { (top) throws(YAMLError) in
            try top.required("a").integer()
        }
        #expect(found == "environment variable AGENT_A: a: is \"x\", expected a whole number")
    }

    @Test func withoutAPrefixNothingIsReplaced() throws {
        let file = try YAMLFile(name: "x.yaml", text: "a: 1", overrides: ["A": "2", "_A": "2"])
        #expect(try file.read { (top) throws(YAMLError) in try top.required("a").string() } == "1")
    }
}

@Suite("YAML: hostile files", .timeLimit(.minutes(1)))
struct YAMLHostileTests {
    @Test func anAliasStandsForItsAnchor() throws {
        #expect(try value("a: &x text\n") == "text")
        let file = try YAMLFile(name: "x.yaml", text: "a: &x text\nb: *x\n")
        #expect(
            try file.read { (top) throws(YAMLError) in (top.optional("a"), try top.required("b").string()).1 } == "text"
        )
    }

    @Test func aMergeKeyIsNoKeyOfOurs() {
        let found = complaint("a: &x {b: 1}\nc: {<<: *x}\n") { (top) throws(YAMLError) in
            _ = top.optional("a")
            try top.required("c").mapping { (c) throws(YAMLError) in _ = c.optional("b") }
        }
        #expect(found == "x.yaml:2: c: the key \"<<\" is not known, the nearest known key is \"b\"")
    }

    private static func laughs(_ levels: Int) -> String {
        var text = "l0: &l0 [lol]\n"
        for level in 1...levels {
            let aliases = Array(repeating: "*l\(level - 1)", count: 10).joined(separator: ", ")
            text += "l\(level): &l\(level) [\(aliases)]\n"
        }
        return text
    }

    /// 10^30 values would have to be visited.
    @Test func aBillionLaughsCostNothing() {
        let found = complaint(Self.laughs(30) + "a: *l30\n") { (top) throws(YAMLError) in
            try top.required("a").string()
        }
        #expect(found?.contains("expected a single value, not a list or a mapping") == true)
    }

    @Test(arguments: [("[", "]"), ("{a: ", "}")])
    func deepNestingIsRefusedOrRead(_ opening: String, _ closing: String) {
        for depth in [100, 900, 100_000] {
            let nested = String(repeating: opening, count: depth) + String(repeating: closing, count: depth)
            let found = complaint("a: " + nested) { (top) throws(YAMLError) in try top.required("a").string() }
            #expect(found != nil)
        }
    }
}
