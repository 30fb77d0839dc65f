import DockWatch
import EvidenceModel
import FileAccess
import Logging
import MediaIndex
import ServiceLifecycle

/// Runs the programs that profiles name for USB devices (`usb` and `on_attach`) when such a device appears: a camera
/// that must be unlocked is no disk before.
struct USBService: Service {
    let station: Station
    let hooks: AttachHooks

    func run() async throws {
        let watcher: USBWatcher
        do throws(FileAccessError) { watcher = try USBWatcher() } catch {
            station.logger.warning(
                "USB devices are not watched: on_attach is not run for those of profiles with usb",
                metadata: ["error": "\(error)"])
            return await waitForTheEnd()
        }
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                var machine = USBMachine()
                for await devices in watcher.lists {
                    for case .appeared(let device) in machine.listed(devices) {
                        for hook in station.profiles.attachHooks(onUSB: device.identity) {
                            group.addTask { await run(hook, device) }
                        }
                    }
                }
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            watcher.stop()
        }
    }

    /// A service that ends would end the agent.
    private func waitForTheEnd() async {
        let (ending, end) = AsyncStream.makeStream(of: Never.self)
        await withTaskCancellationOrGracefulShutdownHandler {
            for await _ in ending {}
        } onCancelOrGracefulShutdown: {
            end.finish()
        }
    }

    private func run(_ hook: DeviceProfiles.ProfileHook, _ device: USBDevice) async {
        let values: [AttachHook.Placeholder: RawPath] = [
            .deviceNode: device.node, .serial: RawPath(device.identity.serial ?? ""),
            .vendor: RawPath(device.identity.vendorID), .product: RawPath(device.identity.productID),
            .port: RawPath(device.identity.port),
            .bay: RawPath(station.profiles.bays.name(ofPort: device.identity.port)),
        ]
        let outcome = await hooks.run(hook.hook, values, on: IOLane(label: "on_attach \(device.identity.port)"))
        station.tell(outcome, of: hook, at: device.identity.port)
    }
}

extension Station {
    /// Says in the log what an `on_attach` came to.
    func tell(_ outcome: AttachHooks.Outcome, of hook: DeviceProfiles.ProfileHook, at place: String) {
        var metadata: Logger.Metadata = ["profile": "\(hook.profile)", "place": "\(place)"]
        if !outcome.output.isEmpty { metadata["output"] = "\(outcome.output)" }
        guard let trouble = outcome.trouble else {
            return logger.info("on_attach was run", metadata: metadata)
        }
        metadata["reason"] = "\(trouble)"
        logger.warning("on_attach failed", metadata: metadata)
    }
}
