import ParserFuzzing

/// What libFuzzer calls with every input (LLVM, libFuzzer, "Fuzz Target").
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer lends `count` bytes for the call.
    FuzzEntry.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
