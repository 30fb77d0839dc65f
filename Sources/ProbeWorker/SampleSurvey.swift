import EvidenceModel
import MediaForms

/// What became of the samples that a container's index promises.
struct SampleSurvey: Equatable {
    /// When the first sample would be shown that the file does not hold, from the beginning of the recording.
    var missingFromSeconds: Double?
    /// Where samples lie that are not what their codec writes.
    var damagedSpans: [ByteSpan] = []
    /// When those begin that go on to the end of a stream, from the beginning of the recording.
    var damagedFromSeconds: Double?
}

/// Holds a container's index against the file: every sample must lie in it, and of some the bytes are looked at.
///
/// A card that loses clusters, or a recorder that reserves the whole file and dies, leaves a file of the right size with
/// a whole index; libavformat reports neither. Decoding would tell, at a hundred times the cost.
struct SampleSurveyor: ~Copyable {
    /// So many samples of each stream are looked at, spread evenly; the edges of damage are then found by halving.
    private static let looks = 128
    /// And so many at the end.
    private static let looksAtEnd = 8
    /// Units in one sample; a picture has one to a few dozen.
    private static let units = 64

    private let reading: ContainerReading
    /// Bytes of the length before each unit, in the stream that is looked at; 0 where there are none.
    private var lengthBytes = 0
    private var survey = SampleSurvey()

    /// - Parameter demuxer: of a format whose index is complete once it is open.
    static func survey(_ demuxer: borrowing Demuxer, _ reading: ContainerReading) -> SampleSurvey {
        var surveyor = SampleSurveyor(reading: reading)
        for (index, stream) in reading.streams.enumerated() where stream.kind == .video || stream.kind == .audio {
            surveyor.look(at: index, of: demuxer)
        }
        return surveyor.survey
    }

    private init(reading: ContainerReading) {
        self.reading = reading
    }

    private mutating func look(at stream: Int, of demuxer: borrowing Demuxer) {
        let count = demuxer.sampleCount(of: stream)
        let size = demuxer.source.size
        lengthBytes = hasStartCodes(stream, demuxer) ? 0 : reading.streams[stream].unitLengthBytes
        var present = count
        for index in 0..<count {
            guard let sample = demuxer.sample(index, of: stream), sample.position > size - sample.size else { continue }
            note(sample.seconds, in: \.missingFromSeconds)
            present = index
            break
        }
        if !reading.streams[stream].isRaw { lookIn(0..<present, stream, demuxer, isEnd: present == count) }
    }

    /// Whether the writer put start codes where lengths belong, which decoders forgive.
    private func hasStartCodes(_ stream: Int, _ demuxer: borrowing Demuxer) -> Bool {
        guard let first = demuxer.sample(0, of: stream) else { return false }
        let head = demuxer.source.bytes.bytes(ByteSpan(offset: first.position, length: 4))
        return head == [0, 0, 0, 1] || head.starts(with: [0, 0, 1])
    }

    private mutating func lookIn(
        _ samples: Range<Int>, _ stream: Int, _ demuxer: borrowing Demuxer, isEnd: Bool
    ) {
        let step = max(1, samples.count / Self.looks)
        let spread = stride(from: samples.lowerBound, to: samples.upperBound, by: step)
        let looked = Set(spread).union(samples.suffix(Self.looksAtEnd)).sorted()
        var lastGood = samples.lowerBound - 1
        var badFrom: Int?
        for index in looked {
            if isGood(index, stream, demuxer) {
                if let first = badFrom {
                    let last = lastAlike(first, index, stream, demuxer, isGood: false)
                    add(first...last, stream, demuxer, reachesEnd: false)
                }
                (lastGood, badFrom) = (index, nil)
            } else if badFrom == nil {
                badFrom = lastAlike(lastGood, index, stream, demuxer, isGood: true) + 1
            }
        }
        if let first = badFrom, let last = samples.last {
            add(first...last, stream, demuxer, reachesEnd: isEnd)
        }
    }

    /// The last sample before `other` that is as `first` is, by halving.
    ///
    /// - Parameter isGood: what `first` is, and `other` is not.
    private func lastAlike(
        _ first: Int, _ other: Int, _ stream: Int, _ demuxer: borrowing Demuxer, isGood: Bool
    ) -> Int {
        var (alike, unlike) = (first, other)
        while unlike - alike > 1 {
            let middle = (alike + unlike) / 2
            if self.isGood(middle, stream, demuxer) == isGood { alike = middle } else { unlike = middle }
        }
        return alike
    }

    private mutating func add(
        _ samples: ClosedRange<Int>, _ stream: Int, _ demuxer: borrowing Demuxer, reachesEnd: Bool
    ) {
        guard let first = demuxer.sample(samples.lowerBound, of: stream),
            let last = demuxer.sample(samples.upperBound, of: stream)
        else { return }
        let start = min(first.position, last.position)
        let end = max(first.position + first.size, last.position + last.size)
        survey.damagedSpans.append(ByteSpan(offset: start, length: max(0, end - start)))
        if reachesEnd { note(first.seconds, in: \.damagedFromSeconds) }
    }

    private mutating func note(_ seconds: Double, in field: WritableKeyPath<SampleSurvey, Double?>) {
        let fromStart = max(0, seconds - reading.startSeconds)
        survey[keyPath: field] = min(survey[keyPath: field] ?? fromStart, fromStart)
    }

    /// Whether the sample's first bytes are such as its codec writes; one that cannot be read now is no finding.
    private func isGood(_ index: Int, _ stream: Int, _ demuxer: borrowing Demuxer) -> Bool {
        guard let sample = demuxer.sample(index, of: stream), sample.size >= 16 else { return true }
        let source = demuxer.source.bytes
        let head = source.bytes(ByteSpan(offset: sample.position, length: min(sample.size, 64)))
        guard head.count >= 16 else { return true }
        if head.allSatisfy({ $0 == 0 }) { return false }
        return lengthBytes == 0 || Self.unitsFill(sample, head, lengthBytes: lengthBytes, source.bytes)
    }

    /// Whether the lengths of the units in a sample lead to its end: ISO/IEC 14496-15, 5.3.4.2.
    private static func unitsFill(
        _ sample: IndexedSample, _ head: [UInt8], lengthBytes: Int, _ bytes: (ByteSpan) -> [UInt8]
    ) -> Bool {
        var offset: Int64 = 0
        for _ in 0..<units {
            if offset == sample.size { return true }
            guard sample.size - offset >= Int64(lengthBytes) else { return false }
            let isInHead = offset + Int64(lengthBytes) <= Int64(head.count)
            let length =
                isInHead
                ? head[Int(offset)..<(Int(offset) + lengthBytes)]
                : bytes(ByteSpan(offset: sample.position + offset, length: Int64(lengthBytes)))[...]
            guard length.count == lengthBytes else { return true }
            let unit = length.reduce(Int64(0)) { $0 << 8 | Int64($1) }
            guard unit > 0, unit <= sample.size - offset - Int64(lengthBytes) else { return false }
            offset += Int64(lengthBytes) + unit
        }
        return true
    }
}
