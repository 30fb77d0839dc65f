import DockWatch
import EvidenceModel
import FileAccess
import Logging
import MediaIndex
import ServiceLifecycle
import Synchronization

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
                let runs = SharedRuns()
                for await devices in watcher.lists {
                    for event in machine.listed(devices) { follow(event, runs, &group) }
                }
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            watcher.stop()
        }
    }

    private func follow(_ event: USBEvent, _ runs: SharedRuns, _ group: inout DiscardingTaskGroup) {
        switch event {
        case .left(let device): runs.state.withLock { $0.left(device, at: .now) }
        case .appeared(let device):
            guard !station.profiles.attachHooks(onUSB: device.identity).isEmpty else { return }
            switch runs.state.withLock({ $0.appeared(device, at: .now) }) {
            case .run: group.addTask { await runAll(from: device, runs) }
            case .waits: break
            case .heldBack:
                station.logger.info(
                    "on_attach was not run: it has just been run for this device, which began anew",
                    metadata: ["place": "\(device.identity.port)"])
            }
        }
    }

    /// One after the other, until nothing waits for this port any more.
    private func runAll(from first: USBDevice, _ runs: SharedRuns) async {
        var next: USBDevice? = first
        while let device = next {
            for hook in station.profiles.attachHooks(onUSB: device.identity) { await run(hook, device) }
            next = runs.state.withLock { $0.ended(port: device.identity.port, at: .now) }
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

/// What the tasks of all ports ask.
private final class SharedRuns: Sendable {
    let state = Mutex(USBRuns())
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
