/// Events as the wire has them: WHATWG HTML, "Server-sent events", 9.2.6 "Interpreting an event stream".
enum EventText {
    static let heartbeat = ": still here\n\n"

    static func text(_ message: EventHub.Message) -> String {
        switch message {
        case .heartbeat: heartbeat
        case .event(let event): "event: \(event.name)\ndata: \(event.json)\n\n"
        }
    }

    /// The last event of a stream that the agent ends.
    static func text(_ ending: EventHub.Ending) -> String {
        let reason =
            switch ending {
            case .dropped: "the client did not keep up; connect again to hear how everything is"
            case .closing: "the agent is stopping"
            }
        return "event: \(ending.rawValue)\ndata: {\"reason\":\"\(reason)\"}\n\n"
    }
}
