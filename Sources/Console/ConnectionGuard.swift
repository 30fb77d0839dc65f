import NIOCore
import NIOHTTPTypes
import Synchronization

/// Watches one connection: a request must come in whole within a few seconds, and whoever is answered must read. What
/// does neither is closed, so that nobody holds a place for nothing.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let connections: OpenConnections
    private let limits: ControlSocket.Limits
    private var request: Scheduled<Void>?
    private var stall: Scheduled<Void>?
    /// Requests that came in whole and are not answered.
    private var unanswered = 0

    init(_ connections: OpenConnections, _ limits: ControlSocket.Limits) {
        self.connections = connections
        self.limits = limits
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        connections.add(context.channel)
        if request == nil { request = closing(context, after: limits.requestSeconds) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { end(context) }

    private func end(_ context: ChannelHandlerContext) {
        connections.remove(context.channel)
        request?.cancel()
        stall?.cancel()
        (request, stall) = (nil, nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .end = unwrapInboundIn(data) {
            unanswered += 1
            request?.cancel()
            request = nil
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            // An answer may end before its request has, of which it said that it is too large.
            unanswered = max(0, unanswered - 1)
            if unanswered == 0, request == nil { request = closing(context, after: limits.requestSeconds) }
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stall?.cancel()
        stall = context.channel.isWritable ? nil : closing(context, after: limits.stallSeconds)
        context.fireChannelWritabilityChanged()
    }

    private func closing(_ context: ChannelHandlerContext, after seconds: Double) -> Scheduled<Void> {
        let channel = context.channel
        return context.eventLoop.scheduleTask(in: TimeAmount(.seconds(seconds))) { channel.close(promise: nil) }
    }
}

/// The connections that are open, so that they can be closed when the time to drain is over.
final class OpenConnections: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    func add(_ channel: any Channel) {
        channels.withLock { $0[ObjectIdentifier(channel)] = channel }
    }

    func remove(_ channel: any Channel) {
        channels.withLock { $0[ObjectIdentifier(channel)] = nil }
    }

    func closeAll() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }
}
