"""Aliases to names of clouds that anybody may claim once their owner has given them up.

Whether a name is still claimed is not known here: nothing is asked. So this tells where to look, not what is
wrong. The table is the only place in the project that names services of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from dnsctl.model.name import Name, from_text, labels, to_text
from dnsctl.model.rrset import RRset, Type
from dnsctl.validate.rule import Fault, Scope

# The end of a name, and whose it is: a name there that was freed goes to whom asks first. From the providers'
# own pages on dangling DNS records.
CLAIMABLE: Mapping[str, str] = {
    "azure-api.net.": "Azure API Management",
    "azurecontainer.io.": "Azure Container Instances",
    "azureedge.net.": "Azure CDN",
    "azurefd.net.": "Azure Front Door",
    "azurewebsites.net.": "Azure App Service",
    "bitbucket.io.": "Bitbucket",
    "blob.core.windows.net.": "Azure Storage",
    "cloudapp.azure.com.": "Azure virtual machines",
    "cloudapp.net.": "Azure Cloud Services",
    "elasticbeanstalk.com.": "AWS Elastic Beanstalk",
    "firebaseapp.com.": "Firebase Hosting",
    "fly.dev.": "Fly.io",
    "ghost.io.": "Ghost",
    "github.io.": "GitHub Pages",
    "gitlab.io.": "GitLab Pages",
    "herokuapp.com.": "Heroku",
    "herokudns.com.": "Heroku",
    "myshopify.com.": "Shopify",
    "netlify.app.": "Netlify",
    "pantheonsite.io.": "Pantheon",
    "readthedocs.io.": "Read the Docs",
    "s3.amazonaws.com.": "Amazon S3",
    "surge.sh.": "Surge",
    "trafficmanager.net.": "Azure Traffic Manager",
    "vercel.app.": "Vercel",
    "web.core.windows.net.": "Azure Storage",
    "wordpress.com.": "WordPress.com",
    "zendesk.com.": "Zendesk",
}
_S3 = from_text("amazonaws.com.")  # with a region before it: s3.REGION or s3-website-REGION
_ENDS = {from_text(end): whose for end, whose in CLAIMABLE.items()}
_DEPTHS = sorted({len(labels(end)) for end in _ENDS})


def alias_claimable(scope: Scope) -> Iterator[Fault]:
    """One finding a provider: a zone with many such aliases has one reason to look."""
    found: dict[str, list[RRset]] = {}
    for one in scope.index.authoritative(Type.CNAME):
        whose = _whose(Name(one.rdatas[0]))
        if whose is not None:
            found.setdefault(whose, []).append(one)
    for whose, those in found.items():
        more = f" and {len(those) - 1} more" if len(those) > 1 else ""
        first = those[0]
        what = f"{to_text(first.owner)}{more} is an alias of {to_text(Name(first.rdatas[0]))} at {whose}"
        yield Fault(
            scope.at(first),
            f"{what}: whoever claims that name, if it was given up, answers for yours",
            "look that the name is still yours there; remove the alias before you give the name up",
        )


@lru_cache(4096)
def _whose(target: Name) -> str | None:
    offsets = []
    at = 0
    while target[at]:
        offsets.append(at)
        at += 1 + target[at]
    for depth in _DEPTHS:
        if len(offsets) > depth and (whose := _ENDS.get(Name(target[offsets[-depth] :]))):
            return whose
    if target.endswith(_S3) and any(
        each == b"s3" or each.startswith(b"s3-") for each in labels(target)[1:-2]
    ):
        return CLAIMABLE["s3.amazonaws.com."]
    return None
