/// What the console shows of a station and asks of it. Answers are JSON texts, as the commands print them: whoever knows
/// the values knows their JSON.
package protocol ConsoleStation: Sendable {
    /// The object of `status --json`.
    func status() async throws(ConsoleProblem) -> String
    /// The object of `devices list --json`.
    func devices() async throws(ConsoleProblem) -> String
    func assign(_ order: DeviceOrder, to serial: String, by user: String) async throws(ConsoleProblem) -> String
    /// - Parameter recording: its id, or the beginning of it.
    func hold(_ recording: String, _ order: HoldOrder, by user: String) async throws(ConsoleProblem) -> String
    func release(
        _ hold: Int64, of recording: String, reason: String?, by user: String
    ) async throws(ConsoleProblem) -> String
    /// - Throws: why the station cannot do its work now.
    func checkReadiness() async throws(ConsoleProblem)
}

/// The body of `PUT /api/v1/devices/{serial}`: who has the device, from when until when.
package struct DeviceOrder: Sendable, Hashable, Codable {
    package var officer: String
    package var name: String?
    /// RFC 3339; without an offset in the station's zone.
    package var from: String?
    package var until: String?

    package init(officer: String, name: String? = nil, from: String? = nil, until: String? = nil) {
        self.officer = officer
        self.name = name
        self.from = from
        self.until = until
    }
}

/// The body of `POST /api/v1/recordings/{id}/holds`.
package struct HoldOrder: Sendable, Hashable, Codable {
    package var reason: String

    package init(reason: String) {
        self.reason = reason
    }
}

/// Why a request was not carried out, in the form of RFC 9457, with two members of our own.
package struct ConsoleProblem: Error, Sendable, Hashable, Codable {
    /// A short word for each kind of problem, always the same for the same kind.
    package var title: String
    package var status: Int
    /// What was tried, and on what.
    package var detail: String
    /// For programs: the codes of the commands' JSON errors.
    package var code: String
    /// What to do.
    package var hint: String

    package init(_ status: Int, _ title: String, _ detail: String, code: String, hint: String) {
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        self.hint = hint
    }
}

/// Something that changed, as the event stream tells it.
package struct ConsoleEvent: Sendable, Hashable {
    /// `dock`, `recording`, `target`; the stream itself adds `dropped` and `closing`.
    package var name: String
    /// One JSON object, without line breaks.
    package var json: String

    package init(name: String, json: String) {
        self.name = name
        self.json = json
    }
}
