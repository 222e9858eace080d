@echo off
rem Runs Redis Backup on Windows:  start.bat [HOURS [COMPRESSION [KEEP]]]   such as  start.bat 6 zstd 14
rem COMPRESSION is zstd, gzip or none; true and false are taken for zstd and none.  start.bat stop  stops it.
setlocal
if /i "%~1"=="stop" goto stop
if /i "%~1"=="/?" goto help
if /i "%~1"=="--help" goto help
set "hours=%~1"
set "compression=%~2"
set "keep=%~3"
if "%hours%"=="" set "hours=24"
if "%compression%"=="" set "compression=zstd"
if /i "%compression%"=="true" set "compression=zstd"
if /i "%compression%"=="false" set "compression=none"
if "%keep%"=="" set "keep=7"
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp0start.ps1" -EveryHours %hours% -Compression %compression% -Keep %keep%
exit /b %errorlevel%

:stop
powershell -NoProfile -ExecutionPolicy Bypass -File "%~dp0start.ps1" -Stop
exit /b %errorlevel%

:help
echo start.bat [HOURS [COMPRESSION [KEEP]]]   such as  start.bat 6 zstd 14
echo start.bat stop
exit /b 0
