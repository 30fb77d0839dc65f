import Synchronization

/// Carries events to those who listen, and to nobody else. Each listener has a queue of his own of a fixed length; one
/// whose queue is full has not kept up, and is let go.
package final class EventHub: Sendable {
    /// Listeners at once.
    package static let mostListeners = 16
    /// Events that wait for one listener.
    package static let mostWaiting = 512

    /// Why a stream ended.
    enum Ending: String, Sendable {
        case dropped, closing
    }

    enum Message: Sendable {
        case event(ConsoleEvent)
        case heartbeat
    }

    private struct Listener {
        var queue: AsyncStream<Message>.Continuation
        /// Has not been told how everything is.
        var isNew = true
    }

    private struct State {
        var listeners: [Int: Listener] = [:]
        var endings: [Int: Ending] = [:]
        var nextNumber = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let arrived: @Sendable () -> Void

    /// - Parameter arrived: told of each new listener, who waits to hear how everything is.
    package init(arrived: @escaping @Sendable () -> Void) {
        self.arrived = arrived
    }

    /// Whether anybody listens.
    package var isHeard: Bool { state.withLock { !$0.listeners.isEmpty } }

    /// Tells what changed; those who came since the last time are told everything instead.
    ///
    /// - Parameter everything: how everything is after those changes.
    package func publish(_ changes: [ConsoleEvent], everything: [ConsoleEvent]) {
        state.withLock { state in
            for (number, listener) in state.listeners {
                let events = listener.isNew ? everything : changes
                state.listeners[number]?.isNew = false
                Self.send(events.map { .event($0) }, to: number, &state)
            }
        }
    }

    /// A sign of life for everybody.
    func publishHeartbeat() {
        state.withLock { state in
            for number in state.listeners.keys { Self.send([.heartbeat], to: number, &state) }
        }
    }

    private static func send(_ messages: [Message], to number: Int, _ state: inout State) {
        guard let queue = state.listeners[number]?.queue else { return }
        for message in messages {
            if case .dropped = queue.yield(message) {
                state.endings[number] = .dropped
                state.listeners[number] = nil
                queue.finish()
                return
            }
        }
    }

    /// Everybody's stream ends, and nobody new is taken.
    package func close() {
        state.withLock { state in
            state.isClosed = true
            for (number, listener) in state.listeners {
                state.endings[number] = .closing
                listener.queue.finish()
            }
            state.listeners = [:]
        }
    }

    // MARK: Listening

    struct Listening: Sendable {
        fileprivate var number: Int
        var messages: AsyncStream<Message>
    }

    /// - Throws: a problem when there are too many listeners, or the agent is stopping.
    func listen() throws(ConsoleProblem) -> Listening {
        let (messages, queue) = AsyncStream<Message>.makeStream(bufferingPolicy: .bufferingOldest(Self.mostWaiting))
        let number: Int? = state.withLock { state in
            guard !state.isClosed, state.listeners.count < Self.mostListeners else { return nil }
            state.nextNumber += 1
            state.listeners[state.nextNumber] = Listener(queue: queue)
            return state.nextNumber
        }
        guard let number else {
            throw ConsoleProblem(
                503, "too many listeners", "\(Self.mostListeners) clients read the event stream already",
                code: "unavailable", hint: "close one of them, or ask /api/v1/status now and then")
        }
        arrived()
        return Listening(number: number, messages: messages)
    }

    /// The listener is gone; why its stream ended, where the hub ended it.
    @discardableResult
    func leave(_ listening: Listening) -> Ending? {
        state.withLock { state in
            state.listeners[listening.number] = nil
            return state.endings.removeValue(forKey: listening.number)
        }
    }
}
