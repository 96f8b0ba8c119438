"""The table of households: 43 facts of the postal district, 42 of the insurances held.

Column names are those of the source (CoIL Challenge 2000, in Dutch): `m…` describes the district in
bands, `p…` is what the household pays for a kind of insurance in bands, `a…` how many it holds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from touchline import Contract

Share = Annotated[int, Field(ge=0, le=9, description="share of the district, 0 = none, 9 = all")]
Premium = Annotated[int, Field(ge=0, le=9, description="yearly premium in bands, 0 = none")]
Policies = Annotated[int, Field(ge=0, le=12, description="number of policies")]
CustomerSubtype = Annotated[int, Field(ge=1, le=41)]
CustomerMainType = Annotated[int, Field(ge=1, le=10)]
Houses = Annotated[int, Field(ge=1, le=10)]
HouseholdSize = Annotated[int, Field(ge=1, le=6)]
AgeBand = Annotated[int, Field(ge=1, le=6)]
PurchasingPower = Annotated[int, Field(ge=1, le=8)]


class Person(Contract):
    """One household and whether it bought a caravan insurance (null: to be predicted)."""

    person_id: int = Field(ge=1)
    mostype: CustomerSubtype
    maanthui: Houses
    mgemomv: HouseholdSize
    mgemleef: AgeBand
    moshoofd: CustomerMainType
    mgodrk: Share
    mgodpr: Share
    mgodov: Share
    mgodge: Share
    mrelge: Share
    mrelsa: Share
    mrelov: Share
    mfalleen: Share
    mfgekind: Share
    mfwekind: Share
    moplhoog: Share
    moplmidd: Share
    mopllaag: Share
    mberhoog: Share
    mberzelf: Share
    mberboer: Share
    mbermidd: Share
    mberarbg: Share
    mberarbo: Share
    mska: Share
    mskb1: Share
    mskb2: Share
    mskc: Share
    mskd: Share
    mhhuur: Share
    mhkoop: Share
    maut1: Share
    maut2: Share
    maut0: Share
    mzfonds: Share
    mzpart: Share
    minkm30: Share
    mink3045: Share
    mink4575: Share
    mink7512: Share
    mink123m: Share
    minkgem: Share
    mkoopkla: PurchasingPower
    pwapart: Premium
    pwabedr: Premium
    pwaland: Premium
    ppersaut: Premium
    pbesaut: Premium
    pmotsco: Premium
    pvraaut: Premium
    paanhang: Premium
    ptractor: Premium
    pwerkt: Premium
    pbrom: Premium
    pleven: Premium
    ppersong: Premium
    pgezong: Premium
    pwaoreg: Premium
    pbrand: Premium
    pzeilpl: Premium
    pplezier: Premium
    pfiets: Premium
    pinboed: Premium
    pbystand: Premium
    awapart: Policies
    awabedr: Policies
    awaland: Policies
    apersaut: Policies
    abesaut: Policies
    amotsco: Policies
    avraaut: Policies
    aaanhang: Policies
    atractor: Policies
    awerkt: Policies
    abrom: Policies
    aleven: Policies
    apersong: Policies
    agezong: Policies
    awaoreg: Policies
    abrand: Policies
    azeilpl: Policies
    aplezier: Policies
    afiets: Policies
    ainboed: Policies
    abystand: Policies
    purchase: Literal["No", "Yes"] | None = None
