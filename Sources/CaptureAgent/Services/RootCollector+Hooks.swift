import EvidenceModel
import FileAccess
import Logging
import MediaIndex

/// The office's programs that are run for a docked device.
extension RootCollector {
    /// Runs what profiles name for such a device, before it is looked through; what went wrong, or nothing.
    func runAttachHooks(_ signs: DeviceSigns) async -> String? {
        guard root.kind == .mount, let hooks else { return nil }
        var trouble: String?
        for hook in station.profiles.attachHooks(onDocking: root.label, signs: signs) {
            let outcome = await hooks.run(hook.hook, hookValues, on: IOLane(label: "on_attach \(root.path.display)"))
            station.tell(outcome, of: hook, at: root.path.display)
            trouble = trouble ?? outcome.trouble
        }
        return trouble
    }

    /// What arguments may name.
    var hookValues: [AttachHook.Placeholder: RawPath] {
        [
            .mountPoint: root.path, .deviceNode: root.blockDevice ?? RawPath(""),
            .serial: RawPath(root.usb?.serial ?? ""), .vendor: RawPath(root.usb?.vendorID ?? ""),
            .product: RawPath(root.usb?.productID ?? ""), .port: RawPath(root.usb?.port ?? ""),
            .bay: RawPath(station.profiles.bays.name(of: root)),
        ]
    }

    /// Runs a source's program around emptying; what went wrong, or nothing.
    func run(_ hook: AttachHook) async -> String? {
        guard let hooks else { return nil }
        let outcome = await hooks.run(hook, hookValues, on: IOLane(label: "wipe \(root.path.display)"))
        if let trouble = outcome.trouble {
            station.logger.warning(
                "a program around wiping failed", metadata: ["source": "\(root.source)", "reason": "\(trouble)"])
        }
        return outcome.trouble
    }
}
