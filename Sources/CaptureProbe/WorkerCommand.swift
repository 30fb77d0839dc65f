import ProbeWorker

/// `capture-probe`: started by the agent with one end of a socket as descriptor 3, of no use by hand.
@main
struct WorkerCommand {
    static func main() {
        Worker.serve()
    }
}
