"""Proper names that are often written small, so that no capital tells the guard that they are names."""

from __future__ import annotations

from gateway.cache.similar.lexicon import listed

NAMES = listed(
    """
    afghanistan albania algeria argentina armenia australia austria azerbaijan bahrain bangladesh belarus belgium
    bolivia bosnia brazil bulgaria cambodia cameroon canada chile china colombia congo croatia cuba cyprus czechia
    denmark ecuador egypt england estonia ethiopia europe asia africa finland france georgia germany ghana greece
    guatemala hungary iceland india indonesia iran iraq ireland israel italy jamaica japan jordan kazakhstan kenya
    kuwait latvia lebanon libya lithuania luxembourg malaysia malta mexico moldova mongolia morocco mozambique
    myanmar namibia nepal netherlands holland nigeria norway oman pakistan palestine panama paraguay peru
    philippines poland portugal qatar romania russia rwanda scotland senegal serbia singapore slovakia slovenia
    somalia spain sudan sweden switzerland syria taiwan tanzania thailand tunisia turkey uganda ukraine uruguay
    venezuela vietnam wales yemen zambia zimbabwe american australian austrian belgian brazilian british canadian
    chinese colombian cuban danish dutch egyptian english european finnish french german greek hungarian indian
    indonesian iranian iraqi irish israeli italian japanese korean mexican nigerian norwegian pakistani polish
    portuguese romanian russian scottish spanish swedish swiss thai turkish ukrainian vietnamese arabic hebrew
    hindi latin urdu bengali tamil telugu mandarin cantonese punjabi london paris berlin madrid rome vienna
    amsterdam brussels lisbon dublin moscow beijing shanghai tokyo osaka seoul delhi mumbai bombay bangalore
    hyderabad chennai kolkata pune goa kerala gujarat punjab bihar karnataka maharashtra karachi lahore dhaka
    dubai istanbul cairo lagos nairobi sydney melbourne toronto vancouver montreal chicago boston seattle houston
    dallas austin atlanta miami philadelphia detroit denver portland vegas manhattan brooklyn munich hamburg
    frankfurt zurich geneva milan barcelona prague budapest warsaw stockholm oslo copenhagen helsinki athens
    alabama alaska arizona california colorado connecticut florida hawaii illinois indiana iowa kansas kentucky
    louisiana maine maryland massachusetts michigan minnesota missouri montana nebraska nevada ohio oklahoma
    oregon pennsylvania tennessee texas utah vermont virginia wisconsin java python javascript typescript kotlin
    swift ruby rust golang scala perl php haskell matlab fortran cobol sql html css json xml yaml csv django flask
    rails react angular vue node laravel spring pytorch tensorflow keras numpy pandas mysql postgres postgresql
    mongodb sqlite redis oracle docker kubernetes terraform ansible jenkins git github gitlab linux ubuntu debian
    fedora windows macos android ios iphone ipad macbook chrome firefox safari edge excel word powerpoint outlook
    photoshop aws azure gcp google facebook instagram whatsapp snapchat twitter youtube tiktok linkedin quora
    reddit pinterest tinder amazon flipkart ebay netflix spotify uber lyft airbnb paypal paytm microsoft apple
    samsung nokia sony xiaomi huawei intel nvidia amd tesla toyota honda ford bmw audi mercedes ferrari boeing
    airbus nike adidas walmart mcdonalds starbucks infosys wipro tcs accenture deloitte trump clinton obama biden
    putin modi gandhi hitler stalin einstein newton islam christianity hinduism buddhism judaism muslim christian
    hindu jewish buddhist catholic protestant mars venus jupiter saturn mercury neptune uranus pluto moon
    """
)
