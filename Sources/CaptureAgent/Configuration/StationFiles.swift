import EvidenceModel
import FileAccess
import Foundation
import LocatedYAML
import MediaIndex

/// The files that the administrator writes, read from disk.
enum StationFiles {
    static let defaultPath = "/etc/capture-agent/capture-agent.yaml"

    /// - Parameter named: the path given on the command line; else `$CAPTURE_AGENT_CONFIG`, else the default one.
    static func configuration(
        named: String?, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(CommandFailure) -> AgentConfiguration {
        let path = absolute(named ?? environment["CAPTURE_AGENT_CONFIG"] ?? defaultPath)
        let text = try text(of: path, what: "the configuration")
        do throws(YAMLError) {
            return try ConfigurationReader.read(file: path, text: text, environment: environment)
        } catch {
            throw CommandFailure(configuration: error)
        }
    }

    static func deviceProfiles(_ configuration: AgentConfiguration) throws(CommandFailure) -> DeviceProfiles {
        guard let path = configuration.devicesFile else { return DeviceProfiles() }
        return try deviceProfiles(at: path)
    }

    static func deviceProfiles(at path: RawPath) throws(CommandFailure) -> DeviceProfiles {
        let text = try text(of: path, what: "the devices file")
        do throws(YAMLError) {
            return try DeviceProfiles(file: YAMLFile(name: path.display, text: text))
        } catch {
            throw CommandFailure(configuration: error)
        }
    }

    /// Who has which device, as the devices file says it.
    static func deviceRegister(_ configuration: AgentConfiguration) throws(CommandFailure) -> DeviceRegister {
        guard let path = configuration.devicesFile else { return DeviceRegister() }
        let text = try text(of: path, what: "the devices file")
        do throws(YAMLError) {
            let file = try YAMLFile(name: path.display, text: text)
            return try DeviceRegister(file: file, zone: configuration.station.zone)
        } catch {
            throw CommandFailure(configuration: error)
        }
    }

    static func itemList(_ configuration: AgentConfiguration) throws(CommandFailure) -> ItemList? {
        guard let path = configuration.itemListFile else { return nil }
        let text = try text(of: path, what: "the item list")
        do throws(YAMLError) {
            return try ItemList(file: YAMLFile(name: path.display, text: text))
        } catch {
            throw CommandFailure(configuration: error)
        }
    }

    private static func text(of path: RawPath, what: String) throws(CommandFailure) -> String {
        do {
            let data = try Data(contentsOf: URL(fileURLWithPath: path.display))
            guard let text = String(validating: data, as: UTF8.self) else {
                throw CommandFailure(
                    .configuration, "\(what) \(path.display) is not UTF-8 text", hint: "save the file as UTF-8")
            }
            return text
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(
                .configuration, "\(what) \(path.display) cannot be read: \((error as NSError).localizedDescription)",
                hint: "name the file with --config, or set CAPTURE_AGENT_CONFIG")
        }
    }

    private static func absolute(_ path: String) -> RawPath {
        path.hasPrefix("/") ? RawPath(path) : RawPath(FileManager.default.currentDirectoryPath).appending(path)
    }
}
