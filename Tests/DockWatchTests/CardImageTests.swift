import EvidenceModel
import Foundation
import StationTesting
import Testing

@Suite("Card images, mounted for real")
struct CardImageTests {
    @Test(.enabled(if: CardImage.isAvailable(.fat), "mounting a FAT image needs root, /dev/fuse and fusefat"))
    func fat() throws { try keepsWhatIsWritten(.fat) }

    @Test(.enabled(if: CardImage.isAvailable(.exfat), "mounting exFAT needs root, /dev/fuse, loop devices, exfat-fuse"))
    func exfat() throws { try keepsWhatIsWritten(.exfat) }

    @Test(.enabled(if: CardImage.isAvailable(.ext4), "mounting an ext4 image needs root and loop devices"))
    func ext4() throws { try keepsWhatIsWritten(.ext4) }

    private func keepsWhatIsWritten(_ format: CardImage.Format) throws {
        let directory = try TemporaryDirectory()
        let card = try CardImage(format, in: directory)
        try card.mount(at: directory.path.appending("a"))
        try write("footage", to: directory.path.appending("a/DCIM/clip.mp4"))
        try card.unmount()
        #expect(!FileManager.default.fileExists(atPath: directory.path.appending("a/DCIM").display))
        try card.mount(at: directory.path.appending("b"))
        let read = try String(contentsOfFile: directory.path.appending("b/DCIM/clip.mp4").display, encoding: .utf8)
        #expect(read == "footage")
        card.close()
        directory.close()
        #expect(!FileManager.default.fileExists(atPath: directory.path.display))
    }
}
