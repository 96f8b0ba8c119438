"""Leads of an education company (X Education): who becomes a student. `Select` means not filled in.

The table has no time. `LEAKS` are columns that the sales work writes, during or after its calls, and that nobody knows
when a lead comes in.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from touchline import Contract, Source, examples
from touchline.ingest import CsvFiles

from .table import LeadTable

LEAKS = (
    "tags",
    "lead_quality",
    "lead_profile",
    "last_activity",
    "last_notable_activity",
    "asymmetrique_activity_index",
    "asymmetrique_profile_index",
    "asymmetrique_activity_score",
    "asymmetrique_profile_score",
)
CONSTANTS = (
    "magazine",
    "receive_more_updates_about_our_courses",
    "update_me_on_supply_chain_content",
    "get_updates_on_dm_content",
    "i_agree_to_pay_the_amount_through_cheque",
)
NAMES = {
    "Prospect ID": "prospect_id",
    "Lead Number": "lead_number",
    "Lead Origin": "lead_origin",
    "Lead Source": "lead_source",
    "Do Not Email": "do_not_email",
    "Do Not Call": "do_not_call",
    "Converted": "converted",
    "TotalVisits": "total_visits",
    "Total Time Spent on Website": "total_time_spent_on_website",
    "Page Views Per Visit": "page_views_per_visit",
    "Last Activity": "last_activity",
    "Country": "country",
    "Specialization": "specialization",
    "How did you hear about X Education": "how_did_you_hear_about_x_education",
    "What is your current occupation": "what_is_your_current_occupation",
    "What matters most to you in choosing a course": "what_matters_most_to_you_in_choosing_a_course",
    "Search": "search",
    "Magazine": "magazine",
    "Newspaper Article": "newspaper_article",
    "X Education Forums": "x_education_forums",
    "Newspaper": "newspaper",
    "Digital Advertisement": "digital_advertisement",
    "Through Recommendations": "through_recommendations",
    "Receive More Updates About Our Courses": "receive_more_updates_about_our_courses",
    "Tags": "tags",
    "Lead Quality": "lead_quality",
    "Update me on Supply Chain Content": "update_me_on_supply_chain_content",
    "Get updates on DM Content": "get_updates_on_dm_content",
    "Lead Profile": "lead_profile",
    "City": "city",
    "Asymmetrique Activity Index": "asymmetrique_activity_index",
    "Asymmetrique Profile Index": "asymmetrique_profile_index",
    "Asymmetrique Activity Score": "asymmetrique_activity_score",
    "Asymmetrique Profile Score": "asymmetrique_profile_score",
    "I agree to pay the amount through cheque": "i_agree_to_pay_the_amount_through_cheque",
    "A free copy of Mastering The Interview": "a_free_copy_of_mastering_the_interview",
    "Last Notable Activity": "last_notable_activity",
}


class EducationLead(Contract):
    """One lead and whether it became a student (null: to be predicted)."""

    prospect_id: str
    lead_number: int = Field(ge=0)
    lead_origin: Literal[
        "API",
        "Landing Page Submission",
        "Lead Add Form",
        "Lead Import",
        "Quick Add Form",
    ]
    lead_source: (
        Literal[
            "Click2call",
            "Direct Traffic",
            "Facebook",
            "Google",
            "Live Chat",
            "NC_EDM",
            "Olark Chat",
            "Organic Search",
            "Pay per Click Ads",
            "Press_Release",
            "Reference",
            "Referral Sites",
            "Social Media",
            "WeLearn",
            "Welingak Website",
            "bing",
            "blog",
            "google",
            "testone",
            "welearnblog_Home",
            "youtubechannel",
        ]
        | None
    ) = None
    do_not_email: Literal["No", "Yes"]
    do_not_call: Literal["No", "Yes"]
    converted: Literal[0, 1] | None = None
    total_visits: int | None = Field(None, ge=0)
    total_time_spent_on_website: int = Field(ge=0)
    page_views_per_visit: float | None = Field(None, ge=0)
    last_activity: (
        Literal[
            "Approached upfront",
            "Converted to Lead",
            "Email Bounced",
            "Email Link Clicked",
            "Email Marked Spam",
            "Email Opened",
            "Email Received",
            "Form Submitted on Website",
            "Had a Phone Conversation",
            "Olark Chat Conversation",
            "Page Visited on Website",
            "Resubscribed to emails",
            "SMS Sent",
            "Unreachable",
            "Unsubscribed",
            "View in browser link Clicked",
            "Visited Booth in Tradeshow",
        ]
        | None
    ) = None
    country: (
        Literal[
            "Asia/Pacific Region",
            "Australia",
            "Bahrain",
            "Bangladesh",
            "Belgium",
            "Canada",
            "China",
            "Denmark",
            "France",
            "Germany",
            "Ghana",
            "Hong Kong",
            "India",
            "Italy",
            "Kenya",
            "Kuwait",
            "Liberia",
            "Malaysia",
            "Netherlands",
            "Nigeria",
            "Oman",
            "Philippines",
            "Qatar",
            "Russia",
            "Saudi Arabia",
            "Singapore",
            "South Africa",
            "Sri Lanka",
            "Sweden",
            "Switzerland",
            "Tanzania",
            "Uganda",
            "United Arab Emirates",
            "United Kingdom",
            "United States",
            "Vietnam",
            "unknown",
        ]
        | None
    ) = None
    specialization: (
        Literal[
            "Banking, Investment And Insurance",
            "Business Administration",
            "E-Business",
            "E-COMMERCE",
            "Finance Management",
            "Healthcare Management",
            "Hospitality Management",
            "Human Resource Management",
            "IT Projects Management",
            "International Business",
            "Marketing Management",
            "Media and Advertising",
            "Operations Management",
            "Retail Management",
            "Rural and Agribusiness",
            "Select",
            "Services Excellence",
            "Supply Chain Management",
            "Travel and Tourism",
        ]
        | None
    ) = None
    how_did_you_hear_about_x_education: (
        Literal[
            "Advertisements",
            "Email",
            "Multiple Sources",
            "Online Search",
            "Other",
            "SMS",
            "Select",
            "Social Media",
            "Student of SomeSchool",
            "Word Of Mouth",
        ]
        | None
    ) = None
    what_is_your_current_occupation: (
        Literal[
            "Businessman",
            "Housewife",
            "Other",
            "Student",
            "Unemployed",
            "Working Professional",
        ]
        | None
    ) = None
    what_matters_most_to_you_in_choosing_a_course: (
        Literal[
            "Better Career Prospects",
            "Flexibility & Convenience",
        ]
        | None
    ) = None
    search: Literal["No", "Yes"]
    magazine: str
    newspaper_article: Literal["No", "Yes"]
    x_education_forums: Literal["No", "Yes"]
    newspaper: Literal["No", "Yes"]
    digital_advertisement: Literal["No", "Yes"]
    through_recommendations: Literal["No", "Yes"]
    receive_more_updates_about_our_courses: str
    tags: (
        Literal[
            "Already a student",
            "Busy",
            "Closed by Horizzon",
            "Diploma holder (Not Eligible)",
            "Graduation in progress",
            "In confusion whether part time or DLP",
            "Interested  in full time MBA",
            "Interested in Next batch",
            "Interested in other courses",
            "Lateral student",
            "Lost to EINS",
            "Lost to Others",
            "Not doing further education",
            "Recognition issue (DEC approval)",
            "Ringing",
            "Shall take in the next coming month",
            "Still Thinking",
            "University not recognized",
            "Want to take admission but has financial problems",
            "Will revert after reading the email",
            "in touch with EINS",
            "invalid number",
            "number not provided",
            "opp hangup",
            "switched off",
            "wrong number given",
        ]
        | None
    ) = None
    lead_quality: (
        Literal[
            "High in Relevance",
            "Low in Relevance",
            "Might be",
            "Not Sure",
            "Worst",
        ]
        | None
    ) = None
    update_me_on_supply_chain_content: str
    get_updates_on_dm_content: str
    lead_profile: (
        Literal[
            "Dual Specialization Student",
            "Lateral Student",
            "Other Leads",
            "Potential Lead",
            "Select",
            "Student of SomeSchool",
        ]
        | None
    ) = None
    city: (
        Literal[
            "Mumbai",
            "Other Cities",
            "Other Cities of Maharashtra",
            "Other Metro Cities",
            "Select",
            "Thane & Outskirts",
            "Tier II Cities",
        ]
        | None
    ) = None
    asymmetrique_activity_index: Literal["01.High", "02.Medium", "03.Low"] | None = None
    asymmetrique_profile_index: Literal["01.High", "02.Medium", "03.Low"] | None = None
    asymmetrique_activity_score: int | None = Field(None, ge=0)
    asymmetrique_profile_score: int | None = Field(None, ge=0)
    i_agree_to_pay_the_amount_through_cheque: str
    a_free_copy_of_mastering_the_interview: Literal["No", "Yes"]
    last_notable_activity: Literal[
        "Approached upfront",
        "Email Bounced",
        "Email Link Clicked",
        "Email Marked Spam",
        "Email Opened",
        "Email Received",
        "Form Submitted on Website",
        "Had a Phone Conversation",
        "Modified",
        "Olark Chat Conversation",
        "Page Visited on Website",
        "Resubscribed to emails",
        "SMS Sent",
        "Unreachable",
        "Unsubscribed",
        "View in browser link Clicked",
    ]


INPUTS = [
    name
    for name in EducationLead.model_fields
    if name not in ("prospect_id", "lead_number", "converted", *LEAKS, *CONSTANTS)
]


def x_education(data: Path) -> LeadTable:
    """The table in this folder."""
    students = Source(
        name="students",
        contract=EducationLead,
        key="prospect_id",
        provider=CsvFiles(str(data / "x_education_leads.csv*"), rename=NAMES),
    )

    @examples(source=students)
    def student_leads(students: pl.LazyFrame) -> pl.LazyFrame:
        """Every lead as it comes in."""
        return students.select(
            *INPUTS,
            example_id="prospect_id",
            cutoff="event_timestamp",
            label="converted",
            label_timestamp="event_timestamp",
        )

    return LeadTable(students, student_leads, ("0", "1"), INPUTS, datetime(2020, 1, 1, tzinfo=UTC), has_time=False)
