import Foundation
import Hummingbird
import Logging
import NIOCore

/// What a request is answered with: its connection, for who is at its other end.
struct ConsoleContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// Bytes of a body; orders are short.
    static let mostBodyBytes = 16 << 10
    var maxUploadSize: Int { Self.mostBodyBytes }

    init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

/// The paths of `docs/openapi.yaml`. Each asks the station once and says what it said.
struct ConsoleRoutes: Sendable {
    let station: any ConsoleStation
    let hub: EventHub

    func router() -> Router<ConsoleContext> {
        let (station, hub) = (station, hub)
        let router = Router(context: ConsoleContext.self)
        router.add(middleware: ProblemAnswers())
        router.get("healthz") { _, _ in Self.answer("{\"status\":\"alive\"}") }
        router.get("readyz") { _, _ in
            try await station.checkReadiness()
            return Self.answer("{\"status\":\"ready\"}")
        }
        let api = router.group("api/v1")
        api.get("status") { _, _ in Self.answer(try await station.status()) }
        api.get("devices") { _, _ in Self.answer(try await station.devices()) }
        api.get("events") { _, _ in try Self.events(hub) }
        addOrders(to: api)
        return router
    }

    private func addOrders(to api: RouterGroup<ConsoleContext>) {
        let station = station
        api.put("devices/{serial}") { request, context in
            let serial = try Self.name("serial", context)
            let order = try await Self.order(DeviceOrder.self, request, context)
            let user = try await PeerUser.name(of: context.channel)
            return Self.answer(try await station.assign(order, to: serial, by: user))
        }
        api.post("recordings/{id}/holds") { request, context in
            let id = try Self.name("id", context)
            let order = try await Self.order(HoldOrder.self, request, context)
            let user = try await PeerUser.name(of: context.channel)
            return Self.answer(try await station.hold(id, order, by: user), .created)
        }
        api.delete("recordings/{id}/holds/{hold}") { request, context in
            let id = try Self.name("id", context)
            let hold = try context.parameters.require("hold", as: Int64.self)
            let reason = request.uri.queryParameters.get("reason")
            let user = try await PeerUser.name(of: context.channel)
            return Self.answer(try await station.release(hold, of: id, reason: reason, by: user))
        }
    }

    /// A name in the path; the router leaves it percent-encoded.
    private static func name(_ parameter: String, _ context: ConsoleContext) throws -> String {
        guard let name = try context.parameters.require(parameter).removingPercentEncoding else {
            throw HTTPError(.badRequest, message: "the path is not percent-encoded UTF-8")
        }
        return name
    }

    private static func order<Order: Decodable>(
        _ type: Order.Type, _ request: Request, _ context: ConsoleContext
    ) async throws -> Order {
        let bytes = try await request.body.collect(upTo: ConsoleContext.mostBodyBytes)
        return try JSONDecoder().decode(type, from: Data(bytes.readableBytesView))
    }

    static func answer(_ json: String, _ status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: json)))
    }

    private static func events(_ hub: EventHub) throws -> Response {
        let listening = try hub.listen()
        let body = ResponseBody { writer in
            do {
                for await message in listening.messages {
                    try await writer.write(ByteBuffer(string: EventText.text(message)))
                }
            } catch {
                hub.leave(listening)
                throw error
            }
            if let ending = hub.leave(listening) { try await writer.write(ByteBuffer(string: EventText.text(ending))) }
            try await writer.finish(nil)
        }
        let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store"]
        return Response(status: .ok, headers: headers, body: body)
    }
}

/// Whatever goes wrong is answered as RFC 9457 has it.
private struct ProblemAnswers: RouterMiddleware {
    func handle(
        _ request: Request, context: ConsoleContext,
        next: @concurrent (Request, ConsoleContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let problem = Self.problem(error, request)
            var answer = ConsoleRoutes.answer(
                String(decoding: try JSONEncoder().encode(problem), as: UTF8.self),
                HTTPResponse.Status(code: problem.status))
            answer.headers[.contentType] = "application/problem+json"
            return answer
        }
    }

    private static func problem(_ error: any Error, _ request: Request) -> ConsoleProblem {
        switch error {
        case let problem as ConsoleProblem: return problem
        case is NIOTooManyBytesError:
            return ConsoleProblem(
                413, "too large", "the request's body has more than \(ConsoleContext.mostBodyBytes) bytes",
                code: "usage", hint: "send only what docs/openapi.yaml says")
        case is DecodingError:
            return ConsoleProblem(
                400, "not understood", "the request's body is not the JSON object that is expected", code: "usage",
                hint: "docs/openapi.yaml says what it may hold")
        case let error as HTTPError where error.status == .notFound:
            return ConsoleProblem(
                404, "no such path", "there is no \(request.method.rawValue) \(request.uri.path.prefix(200))",
                code: "no_input", hint: "docs/openapi.yaml lists what there is")
        case let error as HTTPError:
            return ConsoleProblem(
                Int(error.status.code), "not understood", error.body ?? error.status.reasonPhrase, code: "usage",
                hint: "docs/openapi.yaml says what is expected")
        default:
            return ConsoleProblem(
                500, "failed", "the request could not be carried out: \(error)", code: "input_output",
                hint: "look at the agent's log")
        }
    }
}
