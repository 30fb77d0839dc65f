import EvidenceModel
import MediaForms
import Testing

@Suite struct ByteSourceTests {
    @Test(arguments: [
        (ByteSpan(offset: 0, length: 3), [1, 2, 3]), (ByteSpan(offset: 3, length: 9), [4, 5]),
        (ByteSpan(offset: 5, length: 1), []), (ByteSpan(offset: 9, length: .max - 9), []),
        (ByteSpan(offset: 1, length: .max - 1), [2, 3, 4, 5]),
    ])
    func givesWhatIsThere(_ span: ByteSpan, _ expected: [UInt8]) {
        #expect(ByteSource([1, 2, 3, 4, 5]).bytes(span) == expected)
    }
}
