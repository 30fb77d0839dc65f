import EvidenceModel
import Synchronization

/// Where requests go and which region they are signed for: as configured, until the store itself names another one. That
/// is taken once; a store that then names a third is misconfigured.
final class S3Address: Sendable {
    struct Place: Sendable, Hashable {
        /// `https://s3.example.org:9000`.
        var endpoint: String
        var region: String

        /// - Throws: `TargetFailure` of kind `.misconfigured`.
        func parts(_ location: S3Location) throws(TargetFailure) -> (scheme: String, host: String) {
            guard let match = endpoint.wholeMatch(of: /(https?):\/\/([^\/]+)\/?/) else {
                throw TargetFailure(
                    kind: .misconfigured, sentence: "the endpoint \"\(endpoint)\" is not http(s)://host[:port]")
            }
            let host = String(match.2)
            return (String(match.1), location.isPathStyle ? host : "\(location.bucket).\(host)")
        }
    }

    /// What an answer says of the right place.
    struct Hint: Sendable, Hashable {
        var region: String?
        /// With or without scheme, and with the bucket in front or not.
        var endpoint: String?
    }

    private struct State {
        var place: Place
        var isAdopted = false
    }

    private let bucket: String
    private let state: Mutex<State>

    init(_ location: S3Location) {
        bucket = location.bucket
        state = Mutex(State(place: Place(endpoint: location.endpoint, region: location.region)))
    }

    var current: Place { state.withLock(\.place) }

    /// Goes where the store says, instead of `asked`; whether that is another place than the one that was asked.
    func adopt(_ hint: Hint?, insteadOf asked: Place) -> Bool {
        state.withLock { state in
            // Another request has learned it meanwhile.
            if state.place != asked { return true }
            guard let hint, !state.isAdopted else { return false }
            var place = asked
            if let region = hint.region { place.region = region }
            if let endpoint = hint.endpoint.flatMap({ Self.endpoint($0, bucket: bucket, before: asked.endpoint) }) {
                place.endpoint = endpoint
            }
            if place == asked { return false }
            state = State(place: place, isAdopted: true)
            return true
        }
    }

    /// The region and address that an answer names ("Making requests … Redirection", Amazon S3 User Guide): of
    /// PermanentRedirect, TemporaryRedirect, AuthorizationHeaderMalformed, and of a HEAD, which has headers alone.
    static func hint(_ response: HTTPResponse) -> Hint? {
        let error = S3Messages.parse(response.body)
        let region = response.headers["x-amz-bucket-region"] ?? error?.text("Region")
        let endpoint = response.headers["location"] ?? error?.text("Endpoint")
        return region == nil && endpoint == nil ? nil : Hint(region: region, endpoint: endpoint)
    }

    /// Scheme, host and port of `text`, without the bucket; nothing where it is no address, or would lead from https to http.
    private static func endpoint(_ text: String, bucket: String, before: String) -> String? {
        let scheme = before.prefix { $0 != ":" }
        let whole = text.contains("://") ? text : "\(scheme)://\(text)"
        guard let match = whole.wholeMatch(of: /(https?):\/\/([A-Za-z0-9.\-]+(?::\d+)?)(?:[\/?].*)?/) else {
            return nil
        }
        if scheme == "https", match.1 != "https" { return nil }
        let host = match.2.hasPrefix("\(bucket).") ? match.2.dropFirst(bucket.count + 1) : match.2
        return host.isEmpty ? nil : "\(match.1)://\(host)"
    }
}
