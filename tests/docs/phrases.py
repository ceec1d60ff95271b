"""The rejected phrases: private words for which the glossary of CONTRIBUTING.md has the field's term.

Each entry is a regular expression and the term to write. A phrase carries the sense of the word, so that the common word
alone ("line", "order", "letter", "told") stays free. A space in an expression matches any white space and, in comments, the
comment marker at the beginning of the next line.
"""

from __future__ import annotations

NAMES = "IP address|number|URL|duration|size|path|file|integer|boolean|address|port|name"

PHRASES: list[tuple[str, str]] = [
    # record engine
    (r"\bthe line (?:stops|stopped|is stopping|must stop|ends|ended|has ended|drains|lags|left|goes on|may be)\b", "the record engine stops"),
    (r"\bthe line's (?:processors|options|end)\b", "of the record engine"),
    (r"\bstops? the line\b", "stops the record engine"),
    (r"\b(?:a|the) whole line\b", "the record engine"),
    (r"\boptions of the line\b", "options of the record engine"),
    # record accounting
    (r"\bbooks? (?:balance|that balance|do not balance)", "record accounting is consistent"),
    (r"\bbalanced books\b", "consistent record accounting"),
    (r"\b(?:in|from|of|into) the books\b", "record accounting"),
    (r"\bclosing line's books\b", "record accounting of the closing line"),
    # operator commands
    (r"\bthe verbs? (?:is|are)\b", "operator command"),
    (r"\bevery order is logged\b", "every operator command is logged"),
    (r"\bcannot obey\b", "cannot execute the command"),
    # dead-letter records
    (r"\b(?:the|a|an|each|one|its|every|no|those|such|these|shows?|lists?|which) letters?\b(?! of the alphabet)",
     "dead-letter record"),
    (r"(?<!dead[ -])\bletters (?:would|that|are|stay|of|without)\b", "dead-letter records"),
    (r"\bbur(?:y|ies|ied)\b", "send to the dead-letter topic"),
    (r"\bghosts?\b", "abandoned attempt"),
    (r"\bstrays?\b", "unassigned records"),
    (r"\b(?:the|dead-letter) brake\b", "dead-letter rate limit"),
    # tests
    (r"\bplant(?:ed|s)? (?:known )?(?:bug|fault)s?\b", "mutation, injected fault"),
    (r"\bmutants\b", "mutations"),
    (r"\b(?:the|its|these) meters\b", "metrics"),
    # invalidation
    (r"\bmakes? (?:rows?|it|them|the rows?|answers?) stale\b", "invalidates"),
    (r"\bit makes stale\b", "it invalidates"),
    (r"\b(?:row|rows|answer|answers|entry|entries|lookup|lookups) (?:is|are|may be|becomes?) stale\b", "is invalidated, out of date"),
    # requests
    (r"\bask(?:s|ed|ing)? (?:anew|again)\b", "retries, sends the request again"),
    (r"\blook(?:s|ed|ing)? (?:again|anew)\b", "retries"),
    (r"\bone question\b|\bunanswered question\b", "request"),
    (r"\b(?:tried|try|tries) (?:anew|again and again)\b", "retried"),
    # notification
    (r"\b(?:is|are|was|were|be|being) told\b", "is notified, is given, is distinguished"),
    (r"\bunless told\b", "by default"),
    (r"\bsaid in the log\b|\b(?:is|are) said once\b", "is logged"),
    (r"\bold news\b|\bnews of\b", "notification, outdated metadata"),
    # stalls
    (r"\bst(?:and|ands|anding|ood) still\b", "stalls"),
    (r"\bturns? its loop\b", "runs its event loop"),
    (r"\bloop (?:has not turned|does not turn|that does not turn|had not turned)\b", "event loop is blocked"),
    # health
    (r"\bhalf well\b|\bunwell\b", "degraded, unhealthy"),
    (r"\bsick\b", "overloaded"),
    (r"\b(?:is|all|are) well\b(?![ -][a-z])", "healthy"),
    (r"\bwell again\b", "has recovered"),
    (r"\bheal(?:s|ed|ing)?\b", "recovers"),
    (r"\b(?:is|are|was|be|has|have|been) put off\b|\bputs? (?:it|the record|a record|records) off\b|\bto put off\b",
     "deferred"),
    (r"\bexposures?\b", "security checks, insecure setting"),
    (r"\b(?:the|a|its|simulated) world\b", "environment, cluster"),
    (r"\bout of the ordinary\b", "off the fast path"),
    (r"\bpatience\b|\bglances?\b", "timeout, poll interval"),
    (r"\b(?:for|within|at) a moment\b", "briefly, a time with its unit"),
    (r"\b(?:wakes somebody|wake me|wait for the morning|in the morning)\b", "severity: page, severity: ticket"),
    (r"\bnobody is at (?:his|its|their) limit\b", "below saturation, at a fixed offered rate"),
    (r"\bis none of (?-i:[A-Z`])", "expected one of"),
    (rf"\b(?:is|that is|are) no (?:{NAMES})s?\b", "is not a(n) …, must be a(n) …"),
    (r"\bcertificates? (?:that )?(?:ends?|ended)\b", "certificate expires"),
    (r"\bcontrol groups?\b", "cgroup"),
    (r"\btrouble_log\b", "rate_limited_log"),
    (r"\bapplication of one's own\b", "user application"),
    (r"\banew\b", "again"),
    (r"\b(?:somebody|someone) else\b|\banybody\b", "another client, another member"),
    (r"\bhammer(?:s|ed|ing)?\b", "overloads"),
    (r"\bmean(?:s|t)? nothing to anybody\b", "has no meaning"),
]

# At the beginning of a setting's description, a metric's help or an option's help.
FRAGMENTS: list[tuple[str, str]] = [
    (r"^Of (?:a|an|the|one|what|of|[a-z]+ing)\b", "a noun or a verb first: \"Timeout of …\""),
    (r"^(?:What|Who) [^?]*$", "a noun or a verb first"),
]
