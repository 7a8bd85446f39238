"""Who uses the product, and how much: the profile behind every tenant's usage.

The contracts of these customers are in ``sandbox/demo_workspace/catalog``; a test holds the two
together. Nothing here says what anybody pays.
"""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

FIRST_DAY = date(2026, 8, 1)

PLATFORM = ("api_requests", "data_processed", "gpu_ms", "storage_gb", "exports")
WORKPLACE = ("seats", "active_users", "api_requests", "data_processed", "storage_gb", "exports")
EVERYTHING = (*PLATFORM, "seats", "active_users")

USED_ON_PLAN = {
    "pay_as_you_go": PLATFORM,
    "pay_as_you_go_eur": PLATFORM,
    "growth": PLATFORM,
    "scale": PLATFORM,
    "prepaid": PLATFORM,
    "research": PLATFORM,
    "team": WORKPLACE,
    "team_jpy": WORKPLACE,
    "enterprise": EVERYTHING,
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant's appetite.

    ``size`` scales requests, data and storage; ``gpu`` the GPU time; ``burden`` is what its
    requests and data cost the company per unit, compared with the average tenant.
    """

    tenant_id: str
    timezone: str
    dimensions: tuple[str, ...]
    size: float
    gpu: float
    burden: float
    seats: int
    first_day: date
    last_day: date | None


class Profile(NamedTuple):
    """One customer's line in the table below."""

    customer_id: str
    plan_id: str
    timezone: str
    size: float
    gpu: float = 0.0
    burden: float = 1.0
    seats: int = 0
    first_day: date = FIRST_DAY
    last_day: date | None = None
    tenant_ids: tuple[str, ...] = ()


PROFILES = (
    Profile(
        "dumm_ai", "pay_as_you_go", "America/New_York", 2.4, 1.6,
        tenant_ids=("dumm-ai-prod", "dumm-ai-eu"),
    ),
    Profile("alder_vision", "pay_as_you_go", "America/Los_Angeles", 1.3, 2.8),
    Profile("basalt_labs", "pay_as_you_go", "America/Denver", 0.5, 0.7),
    Profile("copperleaf_data", "pay_as_you_go", "America/Chicago", 1.8, 0.2),
    Profile("driftwood_ai", "pay_as_you_go", "America/Los_Angeles", 1.1, 0.6, burden=5.2),
    Profile("ember_health", "pay_as_you_go", "America/New_York", 0.9, 1.1),
    Profile("fjord_maps", "pay_as_you_go", "Europe/Oslo", 1.6, 0.4),
    Profile("granite_search", "pay_as_you_go", "America/Toronto", 3.1, 0.9),
    Profile(
        "harbor_sense", "pay_as_you_go", "Asia/Singapore", 0.2, 0.1, first_day=date(2026, 9, 1)
    ),
    Profile("iris_logistik", "pay_as_you_go_eur", "Europe/Berlin", 2.2, 0.8),
    Profile("juniper_sante", "pay_as_you_go_eur", "Europe/Paris", 1.2, 1.4),
    Profile("kestrel_energia", "pay_as_you_go_eur", "Europe/Madrid", 0.8, 0.3),
    Profile("linden_finanz", "pay_as_you_go_eur", "Europe/Vienna", 1.4, 0.5),
    Profile("moorland_foods", "pay_as_you_go_eur", "Europe/Dublin", 0.4, 0.0),
    Profile("novaterra", "pay_as_you_go_eur", "Europe/Amsterdam", 1.0, 0.6),
    Profile("opal_media", "growth", "Europe/London", 1.9, 1.2),
    Profile("pinehill_retail", "growth", "America/New_York", 2.6, 0.5),
    Profile("quartz_insurance", "growth", "Europe/Zurich", 1.5, 0.7),
    Profile("redwood_legal", "growth", "America/Los_Angeles", 0.7, 0.2),
    Profile("saffron_travel", "growth", "Asia/Kolkata", 2.0, 0.9),
    Profile("tamarind_foods", "growth", "Asia/Kolkata", 0.9, 0.3),
    Profile(
        "umber_games", "growth", "America/Sao_Paulo", 1.3, 2.2, burden=1.8,
        last_day=date(2026, 10, 3),
    ),
    Profile(
        "violet_edu", "growth", "America/New_York", 0.8, 1.9, first_day=date(2026, 10, 20)
    ),
    Profile("wren_startup", "growth", "Europe/Lisbon", 0.6, 0.8, first_day=date(2026, 9, 10)),
    Profile("willow_bank", "scale", "America/New_York", 5.5, 1.5),
    Profile("xenon_telecom", "scale", "Europe/Rome", 6.2, 2.4),
    Profile("yarrow_pharma", "scale", "Europe/Copenhagen", 3.6, 4.2),
    Profile("zephyr_air", "scale", "Asia/Dubai", 4.4, 1.1),
    Profile("anvil_steel", "scale", "America/Chicago", 4.0, 0.4, burden=3.4),
    Profile("birch_commerce", "scale", "Australia/Sydney", 5.0, 0.6),
    Profile("cobalt_news", "team", "America/New_York", 0.6, seats=42),
    Profile("dahlia_design", "team", "America/Los_Angeles", 0.3, seats=18),
    Profile("elm_consulting", "team", "Europe/London", 0.4, seats=64),
    Profile("fennel_kitchens", "team", "Europe/Stockholm", 3.4, burden=2.6, seats=9),
    Profile("garnet_hr", "team", "America/Denver", 0.2, seats=27),
    Profile("hazel_clinics", "team", "America/Halifax", 0.5, seats=33, first_day=date(2026, 9, 15)),
    Profile("ibuki_motors", "team_jpy", "Asia/Tokyo", 0.7, seats=51),
    Profile("kaede_denki", "team_jpy", "Asia/Tokyo", 0.4, seats=22),
    Profile("sakura_trading", "team_jpy", "Asia/Tokyo", 0.3, seats=14),
    Profile("juno_space", "prepaid", "America/New_York", 1.7, 3.1),
    Profile("kelp_ocean", "prepaid", "Pacific/Auckland", 0.9, 0.5),
    Profile("lumen_optics", "prepaid", "Europe/Helsinki", 1.1, 0.9),
    Profile("marble_arch", "prepaid", "Europe/London", 0.3, 0.2),
    Profile("orion_grid", "enterprise", "America/New_York", 7.5, 6.5, seats=120),
    Profile("helios_freight", "enterprise", "Europe/Berlin", 3.0, 2.0, seats=60),
    Profile("polar_institute", "research", "Europe/Oslo", 1.0, 3.4),
    Profile("tern_university", "research", "Asia/Kathmandu", 0.6, 1.8),
)  # fmt: skip

# Used the product all along, and nobody told billing.
UNMAPPED_TENANT = Tenant(
    "sparrow-analytics", "UTC", PLATFORM, 1.2, 0.5, 1.0, 0, date(2026, 8, 17), None
)

# In the catalog without a price, and not in the catalog at all.
UNPRICED_DIMENSIONS = ("workflow_runs", "vector_queries")

# Tenants whose GPU time runs on machines reserved for them, tagged as such on the GPU bill.
DEDICATED_GPU_TENANTS = ("orion-grid", "yarrow-pharma")


def tenants() -> list[Tenant]:
    """Return every tenant that uses the product, the unmapped one last."""
    return [tenant for profile in PROFILES for tenant in _tenants_of(profile)] + [UNMAPPED_TENANT]


def _tenants_of(profile: Profile) -> list[Tenant]:
    tenant_ids = profile.tenant_ids or (profile.customer_id.replace("_", "-"),)
    share = 1 / len(tenant_ids)
    return [
        Tenant(
            tenant_id,
            profile.timezone,
            USED_ON_PLAN[profile.plan_id],
            profile.size * share,
            profile.gpu * share,
            profile.burden,
            profile.seats,
            profile.first_day,
            profile.last_day,
        )
        for tenant_id in tenant_ids
    ]
