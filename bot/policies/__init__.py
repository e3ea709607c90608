"""Our own policies, all deterministic: who decides before Rasa's RulePolicy, and why."""
