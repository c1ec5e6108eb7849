"""One file a verb of the command line: ``main(arguments)`` returns the exit code."""

# Verb -> what it does; the first is what is done where the first argument is a key or a flag.
VERBS = {
    "run": "an audit; also where no verb is given",
    "status": "how far the audit in a folder is",
    "gate": "whether finished audits hold to the rules gate.KEY=VALUE",
    "plan": "what an audit would take, without running it",
    "compare": "what changed between finished audits",
    "open": "the report of an audit in the browser",
    "methods": "the attribution methods, what each needs and costs",
    "models": "what model= takes; models NAME searches the archs",
    "doctor": "whether an audit works on this machine, and what auto chooses",
}
