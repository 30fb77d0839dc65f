package import EvidenceModel

/// Places in the order in which they were passed.
package enum Track {
    /// At most `most` of `points`, spread evenly, the first and the last among them.
    package static func thinned(_ points: [GeoPoint], to most: Int) -> [GeoPoint] {
        guard most > 0 else { return [] }
        guard points.count > most else { return points }
        guard most > 1 else { return Array(points.prefix(1)) }
        return (0..<most).map { points[$0 * (points.count - 1) / (most - 1)] }
    }
}
