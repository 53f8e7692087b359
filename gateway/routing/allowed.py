"""What of a model's targets the keys of a rule set may use, and how: found once for each of them."""

from __future__ import annotations

from gateway.model_names import matches
from gateway.serving import Choice, Resolution, Target
from gateway.snapshot.model import ProviderConfig, Ruleset


def allowed(rules: Ruleset, resolution: Resolution) -> Choice | None:
    """The targets whose providers are within the rules, if the model's name as the caller writes it is."""
    if rules.models and not matches(rules.models, resolution.name):
        return None
    configs = {config.provider: config for config in rules.configs}
    primary, fallbacks = (
        [
            restricted(target, configs.get(target.upstream.name))
            for target in targets
            if not rules.providers or target.upstream.name in rules.providers
        ]
        for targets in (resolution.primary, resolution.fallbacks)
    )
    return Choice(primary, fallbacks) if primary or fallbacks else None


def restricted(target: Target, config: ProviderConfig | None) -> Target:
    """The target as a key with a configuration of its own for the provider may use it."""
    if config is None:
        return target
    own = target.copy(config.weight if config.weight >= 0 else target.weight)
    for index, key in enumerate(target.upstream.key_specs if config.keys else ()):
        own.mask &= ~(0 if key.name in config.keys else 1 << index)
    return own
